//! The list of regions, and which of them is this gateway's own.

use super::health::{self, Layers};
use super::later;
use super::reader::{Node, Object, is_dns_label};
use crate::geo::{Coordinates, Invalid};
use crate::probe::Check;
use crate::region::{MAX_REGIONS, Region, RegionId, Regions};

const NAME: &str = "a DNS label: a-z, 0-9 and -, at most 63 characters";

/// Reads all regions and how each is checked.
pub(super) fn read<'a>(list: Option<Node<'a>>, shared: Option<&Object<'a>>) -> Option<(Regions, Vec<Check>)> {
    let list = list?;
    let nodes = list.list("a list of 1 to 1000 regions")?;
    if !(1..=MAX_REGIONS).contains(&nodes.len()) {
        return list.wrong("a list of 1 to 1000 regions");
    }
    let mut names = Vec::new();
    let read: Vec<_> = nodes.iter().map(|node| read_one(node, shared, &mut names)).collect();
    let (regions, checks) = read.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
    Some((Regions::new(regions)?, checks))
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
    let own = object.get("health").map(|node| node.object());
    let check = match &own {
        Some(None) => None, // not an object, which has been reported
        Some(Some(own)) => health::read(name.unwrap_or_default(), Layers { own: Some(own), shared }),
        None => health::read(name.unwrap_or_default(), Layers { own: None, shared }),
    };
    if let Some(own) = own.flatten() {
        own.finish();
    }
    later::region_fields(&object);
    object.finish();
    Some((Region::new(name?, coordinates?), check?))
}

/// Reads the keys `latitude` and `longitude` of an object.
pub(super) fn read_coordinates(object: &Object<'_>) -> Option<Coordinates> {
    let [latitude, longitude] = [("latitude", 90), ("longitude", 180)].map(|(key, limit)| {
        let expected = format!("degrees, -{limit} to {limit}");
        object.require(key, &expected).and_then(|node| node.number(-limit..=limit, "degrees"))
    });
    match Coordinates::new(latitude?, longitude?) {
        Ok(coordinates) => Some(coordinates),
        Err(Invalid::NullIsland) => object.node().wrong("a place other than 0,0, which stands for an unknown one"),
        Err(_) => None, // the ranges above are the same
    }
}

/// Reads which region is the gateway's own; without the field it is the one that the node's locality names, if there is one.
pub(super) fn read_local(
    node: Option<Node<'_>>,
    regions: Option<&Regions>,
    node_region: Option<&str>,
) -> Option<RegionId> {
    match node {
        Some(node) => read_region_name(&node, regions),
        None => regions?.find(node_region?),
    }
}

/// Reads the name of one of these regions; `None` as well if the regions themselves could not be read.
pub(super) fn read_region_name(node: &Node<'_>, regions: Option<&Regions>) -> Option<RegionId> {
    const EXPECTED: &str = "the name of one of the regions";
    let name = node.text(EXPECTED, |_| true)?;
    let regions = regions?;
    regions.find(name).or_else(|| node.wrong(EXPECTED))
}
