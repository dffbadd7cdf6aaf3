//! The block `clientLocation`: geo headers, whom to believe, and the fallback.

use super::later;
use super::reader::{Node, Object, is_header_value};
use super::regions::read_coordinates;
use super::steering::Fallback;
use crate::client::{GeoHeaders, Trust};
use ipnet::IpNet;
use std::net::IpAddr;

/// What could be read of the block.
#[derive(Default)]
pub(super) struct Read {
    pub(super) headers: Option<GeoHeaders>,
    pub(super) trust: Option<Trust>,
    pub(super) fallback: Option<Fallback>,
}

/// Reads how clients are located.
pub(super) fn read(object: Option<Object<'_>>) -> Read {
    let Some(object) = object else { return Read::default() };
    let headers = read_headers(object.get("headers"));
    let trust = read_trust(object.get("trust"), headers.as_ref());
    let fallback = read_fallback(object.get("fallback"));
    later::client_location_fields(&object);
    object.finish();
    Read { headers, trust, fallback }
}

/// The headers that tell where a client is.
pub(super) fn names(headers: &GeoHeaders) -> Vec<&str> {
    match headers {
        GeoHeaders::Pair { latitude, longitude } => vec![latitude, longitude],
        GeoHeaders::Position(position) => vec![position],
    }
}

fn read_headers(node: Option<Node<'_>>) -> Option<GeoHeaders> {
    const EXPECTED: &str = "{latitude, longitude} or {position}, each the name of a header";
    let Some(node) = node else {
        return Some(GeoHeaders::Pair { latitude: "x-geo-latitude".into(), longitude: "x-geo-longitude".into() });
    };
    let object = node.object_like(EXPECTED)?;
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

fn read_trust(node: Option<Node<'_>>, geo_headers: Option<&GeoHeaders>) -> Option<Trust> {
    const EXPECTED: &str = "{}, {any: true}, {peers: [CIDR, …]} or {header, equals}";
    let Some(node) = node else { return Some(Trust::Nobody) };
    let object = node.object_like(EXPECTED)?;
    let [any, peers, header, equals] = ["any", "peers", "header", "equals"].map(|key| object.get(key));
    object.finish();
    match (any, peers, header, equals) {
        (None, None, None, None) => Some(Trust::Nobody),
        (Some(any), None, None, None) => any.boolean().map(|any| if any { Trust::Anyone } else { Trust::Nobody }),
        (None, Some(peers), None, None) => read_networks(&peers).map(Trust::Peers),
        (None, None, Some(header), Some(equals)) => {
            let name = header.header_name();
            // A header arrives without the blanks around its value, and would never be equal to one that has them.
            let valid = |text: &str| !text.is_empty() && is_header_value(text) && text.trim_ascii() == text;
            let equals = equals.secret("a header value, at least one character and no blanks around it", valid);
            let name = name?;
            if geo_headers.is_some_and(|headers| names(headers).contains(&name.as_str())) {
                return header.wrong("another header, because clientLocation.headers uses this one");
            }
            Some(Trust::Secret { header: name, equals: equals?.to_owned() })
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
    let networks: Vec<_> = items.iter().map(read_network).collect(); // all of them, before the first wrong one counts
    networks.into_iter().collect()
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
