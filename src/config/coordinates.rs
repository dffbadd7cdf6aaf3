//! Reading the keys `latitude` and `longitude`, wherever an object has them.

use super::reader::{Object, number_of};
use crate::geo::{Coordinates, Invalid};

/// Reads the keys `latitude` and `longitude` of an object.
pub(super) fn read(object: &Object<'_>) -> Option<Coordinates> {
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
