//! The block `clientLocation`: geo headers, whom to believe, and the fallback.

use super::later;
use super::reader::{Node, Object, is_header_value};
use super::regions::read_coordinates;
use super::steering::Fallback;
use crate::client::{GeoHeaders, Settings, Trust};
use ipnet::IpNet;
use std::net::IpAddr;

/// Reads how clients are located.
pub(super) fn read(node: Option<Node<'_>>) -> Option<(Settings, Fallback)> {
    let object = match node {
        Some(node) => Some(node.object()?),
        None => None,
    };
    let get = |key| object.as_ref().and_then(|object| object.get(key));
    let headers = read_headers(get("headers"));
    let trust = read_trust(get("trust"));
    let fallback = read_fallback(get("fallback"));
    if let Some(object) = object {
        later::client_location_fields(&object);
        object.finish();
    }
    Some((Settings { headers: headers?, trust: trust? }, fallback?))
}

fn read_headers(node: Option<Node<'_>>) -> Option<GeoHeaders> {
    const EXPECTED: &str = "{latitude, longitude} or {position}, each the name of a header";
    let Some(node) = node else {
        return Some(GeoHeaders::Pair { latitude: "x-geo-latitude".into(), longitude: "x-geo-longitude".into() });
    };
    let object = node.object()?;
    let [latitude, longitude, position] = ["latitude", "longitude", "position"].map(|key| object.get(key));
    object.finish();
    match (latitude, longitude, position) {
        (Some(latitude), Some(longitude), None) => {
            let (latitude_name, longitude_name) = (latitude.header_name(), longitude.header_name());
            if latitude_name.is_some() && latitude_name == longitude_name {
                return longitude.wrong("another header than latitude; use position for \"lat,lon\" in one header");
            }
            Some(GeoHeaders::Pair { latitude: latitude_name?, longitude: longitude_name? })
        }
        (None, None, Some(position)) => position.header_name().map(GeoHeaders::Position),
        _ => node.wrong(EXPECTED),
    }
}

fn read_trust(node: Option<Node<'_>>) -> Option<Trust> {
    const EXPECTED: &str = "{}, {any: true}, {peers: [CIDR, …]} or {header, equals}";
    let Some(node) = node else { return Some(Trust::Nobody) };
    let object = node.object()?;
    let [any, peers, header, equals] = ["any", "peers", "header", "equals"].map(|key| object.get(key));
    object.finish();
    match (any, peers, header, equals) {
        (None, None, None, None) => Some(Trust::Nobody),
        (Some(any), None, None, None) => any.boolean().map(|any| if any { Trust::Anyone } else { Trust::Nobody }),
        (None, Some(peers), None, None) => read_networks(&peers).map(Trust::Peers),
        (None, None, Some(header), Some(equals)) => {
            let header = header.header_name();
            let valid = |text: &str| !text.is_empty() && is_header_value(text);
            let equals = equals.secret("a header value, at least one character", valid);
            Some(Trust::Secret { header: header?, equals: equals?.to_owned() })
        }
        _ => node.wrong(EXPECTED),
    }
}

fn read_networks(node: &Node<'_>) -> Option<Vec<IpNet>> {
    const EXPECTED: &str = "a list of networks such as \"192.0.2.0/24\" or \"2001:db8::/32\"";
    let items = node.list(EXPECTED)?;
    if items.is_empty() {
        return node.wrong(EXPECTED);
    }
    items.iter().map(read_network).collect()
}

/// Reads a network in CIDR notation; a single address is a network of its own.
pub(super) fn read_network(node: &Node<'_>) -> Option<IpNet> {
    let network = node.as_text().and_then(|text| match text.split_once('/') {
        Some((address, length)) => IpNet::new(address.parse().ok()?, length.parse().ok()?).ok(),
        None => text.parse::<IpAddr>().ok().map(IpNet::from),
    });
    network.or_else(|| node.wrong("a network such as \"192.0.2.0/24\" or \"2001:db8::/32\""))
}

fn read_fallback(node: Option<Node<'_>>) -> Option<Fallback> {
    match node {
        None => Some(Fallback::LocalRegion),
        Some(node) if node.is_object() => {
            let object: Object<'_> = node.object()?;
            let place = read_coordinates(&object);
            object.finish();
            place.map(Fallback::At)
        }
        Some(node) if node.as_text() == Some("localRegion") => Some(Fallback::LocalRegion),
        Some(node) => node.wrong("\"localRegion\" or {latitude, longitude}"),
    }
}
