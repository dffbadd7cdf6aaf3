//! The block `steering`: what the walk does when the usual answer is not there.

use super::later;
use super::reader::{Node, Object};
use super::regions::{REGION_NAME, Read, read_region_name};
use crate::geo::Coordinates;
use crate::steering::WhenAllDown;

/// What stands in for a client's place when that is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fallback {
    /// The place of the gateway's own region.
    LocalRegion,
    /// This place.
    At(Coordinates),
}

/// Reads what to do when no region is usable.
pub(super) fn read(object: Option<Object<'_>>, regions: &Read<'_>) -> Option<WhenAllDown> {
    let object = object?;
    let when_all_down = object.get("whenAllDown").map_or(Some(WhenAllDown::default()), |node| read_one(&node, regions));
    later::steering_fields(&object, regions);
    object.finish();
    when_all_down
}

fn read_one(node: &Node<'_>, regions: &Read<'_>) -> Option<WhenAllDown> {
    match node.as_text() {
        Some("nearest") => Some(WhenAllDown::Nearest),
        Some("reject") => Some(WhenAllDown::Reject),
        _ if node.is_object() => {
            let object = node.object()?;
            let region = object.require("region", REGION_NAME);
            object.finish();
            read_region_name(&region?, regions).map(WhenAllDown::Region)
        }
        _ => node.wrong("\"nearest\", \"reject\" or {region: NAME}"),
    }
}
