//! The list of regions, and which of them is this gateway's own.

use super::coordinates;
use super::health;
use super::layers::Layers;
use super::reader::{Node, Object, is_dns_label};
use super::region_names::RegionNames;
use super::unsupported::only;
use crate::region::{MAX_REGIONS, Region, RegionId, Regions};

const NAME: &str = "a DNS label: a-z, 0-9 and inner -, at most 63 characters";
pub(super) const LIST: &str = "a list of 1 to 1000 regions";

/// What could be read of the regions.
#[derive(Default)]
pub(super) struct Read<'a> {
    /// Their names: known even where something else is wrong with a region. Empty if there is no list.
    names: Vec<&'a str>,
    pub(super) regions: Option<Regions>,
}

/// Which region is the gateway's own.
pub(super) struct Local {
    pub(super) region: Option<RegionId>,
    pub(super) unmatched_locality: Option<String>,
}

impl Read<'_> {
    /// What other fields may refer to.
    pub(super) fn names(&self) -> RegionNames<'_> {
        RegionNames { names: &self.names, regions: self.regions.as_ref() }
    }
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
    let regions = read.into_iter().collect::<Option<Vec<_>>>().and_then(Regions::new);
    Read { names, regions }
}

fn read_one<'a>(node: &Node<'a>, shared: Option<&Object<'a>>, names: &mut Vec<&'a str>) -> Option<Region> {
    let object = node.object()?;
    let name_node = object.require("name", NAME);
    let name = name_node.as_ref().and_then(|node| node.text(NAME, is_dns_label));
    if let (Some(name), Some(node)) = (name, &name_node) {
        if names.contains(&name) {
            node.wrong::<()>("a name that no other region has");
        }
        names.push(name);
    }
    let coordinates = coordinates::read(&object);
    let own = object.section("health");
    let check = health::read(name.unwrap_or_default(), Layers { own: own.as_ref(), shared });
    if let Some(own) = own {
        own.finish();
    }
    refuse_unsupported(&object);
    object.finish();
    Some(Region::new(name?, coordinates?, check?))
}

/// What belongs to a region and is not supported yet.
fn refuse_unsupported(region: &Object<'_>) {
    let states = [("active", true), ("drain", false), ("off", false)];
    only(region.get("state"), "\"active\"", &|node| node.one_of(&states) == Some(true));
    only(region.get("weight"), "100", &|node| node.integer(0..=1000) == Some(100));
    only(region.get("bias"), "0", &|node| node.number(-99..=99, "percent") == Some(0.0));
    only(region.get("priority"), "0", &|node| node.integer(0..=1000) == Some(0));
    only(region.get("capacity"), "no capacity", &|node| {
        node.number(0..=1_000_000_000, "requests per second");
        false
    });
}

/// Reads which region is the gateway's own; without the field it is the one that the node's locality names, if there is one.
pub(super) fn read_local(node: Option<Node<'_>>, names: RegionNames<'_>, own_regions: &[String]) -> Local {
    if let Some(node) = node {
        return Local { region: names.read(&node), unmatched_locality: None };
    }
    let region = names.regions.and_then(|regions| own_regions.iter().find_map(|name| regions.find(name)));
    let unmatched_locality = own_regions.first().filter(|_| region.is_none()).cloned();
    Local { region, unmatched_locality }
}
