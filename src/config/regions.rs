//! The list of regions, and which of them is this gateway's own.

use super::health::{self, Layers};
use super::later;
use super::reader::{Node, Object, is_dns_label, number_of};
use crate::geo::{Coordinates, Invalid};
use crate::probe::Check;
use crate::region::{MAX_REGIONS, Region, RegionId, Regions};

const NAME: &str = "a DNS label: a-z, 0-9 and inner -, at most 63 characters";
/// What a reference to a region has to be.
pub(super) const REGION_NAME: &str = "the name of one of the regions";
pub(super) const LIST: &str = "a list of 1 to 1000 regions";

/// What could be read of the regions.
#[derive(Default)]
pub(super) struct Read<'a> {
    /// Their names: known even where something else is wrong with a region. Empty if there is no list.
    names: Vec<&'a str>,
    pub(super) regions: Option<Regions>,
    pub(super) checks: Vec<Check>,
}

/// Reads all regions and how each is checked.
pub(super) fn read<'a>(list: Option<Node<'a>>, shared: Option<&Object<'a>>) -> Read<'a> {
    let Some((list, nodes)) = list.and_then(|list| list.list(LIST).map(|nodes| (list, nodes))) else {
        return Read::default();
    };
    if !(1..=MAX_REGIONS).contains(&nodes.len()) {
        list.wrong::<()>(LIST);
        return Read::default();
    }
    let mut names = Vec::new();
    let read: Vec<_> = nodes.iter().map(|node| read_one(node, shared, &mut names)).collect();
    let (regions, checks) = read.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default().into_iter().unzip();
    Read { names, regions: Regions::new(regions), checks }
}

fn read_one<'a>(node: &Node<'a>, shared: Option<&Object<'a>>, names: &mut Vec<&'a str>) -> Option<(Region, Check)> {
    let object = node.object()?;
    let name_node = object.require("name", NAME);
    let name = name_node.as_ref().and_then(|node| node.text(NAME, is_dns_label));
    if let (Some(name), Some(node)) = (name, &name_node) {
        if names.contains(&name) {
            node.wrong::<()>("a name that no other region has");
        }
        names.push(name);
    }
    let coordinates = read_coordinates(&object);
    let own = object.section("health");
    let check = health::read(name.unwrap_or_default(), Layers { own: own.as_ref(), shared });
    if let Some(own) = own {
        own.finish();
    }
    later::region_fields(&object);
    object.finish();
    Some((Region::new(name?, coordinates?), check?))
}

/// Reads the keys `latitude` and `longitude` of an object.
pub(super) fn read_coordinates(object: &Object<'_>) -> Option<Coordinates> {
    let [latitude, longitude] = [("latitude", 90), ("longitude", 180)].map(|(key, limit)| {
        let range = -limit..=limit;
        object.require(key, &number_of("degrees", &range)).and_then(|node| node.number(range, "degrees"))
    });
    match Coordinates::new(latitude?, longitude?) {
        Ok(coordinates) => Some(coordinates),
        Err(Invalid::NullIsland) => {
            object.node().wrong_as("latitude 0 and longitude 0", "another place, because 0,0 stands for an unknown one")
        }
        Err(_) => None, // the ranges above are the same
    }
}

/// Reads which region is the gateway's own; without the field it is the one that the node's locality names, if there is one.
pub(super) fn read_local(node: Option<Node<'_>>, read: &Read<'_>, node_region: Option<&str>) -> Option<RegionId> {
    match node {
        Some(node) => read_region_name(&node, read),
        None => read.regions.as_ref()?.find(node_region?),
    }
}

/// Reads the name of one of these regions; `None` as well if something is wrong with the regions themselves.
pub(super) fn read_region_name(node: &Node<'_>, read: &Read<'_>) -> Option<RegionId> {
    let name = node.text(REGION_NAME, |name| read.names.is_empty() || read.names.contains(&name))?;
    read.regions.as_ref()?.find(name)
}
