//! The block `clientLocation`: networks, geo headers, whom to believe, the lookup service, and the fallback.

use super::coordinates;
use super::country;
use super::lookup;
use super::reader::{HEADER_NAME, Node, Object, is_header_value, is_token};
use super::reserved::FRAMING;
use crate::client;
use crate::client::headers::{GeoHeaders, Position};
use crate::client::networks::{Networks, Site};
use crate::client::presets::Preset;
use crate::client::trust::Trust;
use crate::geo::Coordinates;
use ipnet::IpNet;
use std::net::IpAddr;

/// What could be read of the block.
#[derive(Default)]
pub(super) struct Read {
    pub(super) headers: Option<GeoHeaders>,
    pub(super) trust: Option<Trust>,
    networks: Option<Networks>,
    lookup: Option<Option<client::lookup::Settings>>,
    fallback: Option<Fallback>,
}

/// What stands in for a client's coordinates when they are not known.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fallback {
    /// The coordinates of the gateway's own region.
    LocalRegion,
    /// These.
    At(Coordinates),
}

/// Reads how clients are located.
pub(super) fn read(object: Option<Object<'_>>) -> Read {
    let Some(object) = object else { return Read::default() };
    let preset = object.get("preset").map_or(Some(Preset::None), |node| node.one_of(&Preset::ALL));
    // Of a preset that is none, nothing is known but that its names may be overridden one by one.
    let position = read_position(object.get("headers"), preset.unwrap_or(Preset::Cloudflare));
    let country = read_country_header(&object);
    let headers = preset.zip(position).zip(country);
    let headers = headers.and_then(|((preset, position), country)| with_country(preset, position, country, &object));
    let trust = read_trust(object.get("trust"), headers.as_ref());
    let networks = object.get("networks").map_or_else(|| Some(Networks::default()), |node| read_sites(&node));
    let lookup = object.get("lookup").map_or(Some(None), |node| lookup::read(&node).map(Some));
    let fallback = read_fallback(object.get("fallback"));
    object.finish();
    Read { headers, trust, networks, lookup, fallback }
}

impl Read {
    /// The settings, if everything could be read. `home` is where the local region is, if there is one.
    pub(super) fn settings(self, home: Option<Coordinates>) -> Option<client::Settings> {
        let fallback = match self.fallback? {
            Fallback::At(coordinates) => Some(coordinates),
            Fallback::LocalRegion => home,
        };
        let (networks, headers) = (self.networks?, self.headers?);
        Some(client::Settings { networks, headers, trust: self.trust?, lookup: self.lookup?, fallback })
    }
}

/// Reads the names that differ from those of the preset, or another form with names of its own.
fn read_position(node: Option<Node<'_>>, preset: Preset) -> Option<Position> {
    const EXPECTED: &str = "{latitude, longitude}, {position} or {edgescape}, each the name of a header";
    let own = preset.headers().position;
    let Some(node) = node else { return Some(own) };
    let object = node.object_like(EXPECTED)?;
    let given = ["latitude", "longitude", "position", "edgescape"].map(|key| object.get(key));
    object.finish();
    match (given, own) {
        ([None, None, None, None], own) if preset != Preset::None => Some(own),
        ([None, None, Some(position), None], _) => geo_header(&position).map(Position::One),
        ([None, None, None, Some(edgescape)], _) => geo_header(&edgescape).map(Position::EdgeScape),
        ([Some(latitude), Some(longitude), None, None], _) => {
            let names = (geo_header(&latitude), geo_header(&longitude));
            read_pair(names.0?, names.1?, &longitude)
        }
        ([Some(latitude), None, None, None], Position::Pair { longitude, .. }) if preset != Preset::None => {
            read_pair(geo_header(&latitude)?, longitude, &latitude)
        }
        ([None, Some(longitude), None, None], Position::Pair { latitude, .. }) if preset != Preset::None => {
            read_pair(latitude, geo_header(&longitude)?, &longitude)
        }
        _ => node.wrong(EXPECTED),
    }
}

fn read_pair(latitude: String, longitude: String, node: &Node<'_>) -> Option<Position> {
    if latitude == longitude {
        return node.wrong("a header of its own; use position for \"lat,lon\" in one header");
    }
    Some(Position::Pair { latitude, longitude })
}

/// The name of a geo header. What strangers send under it is removed.
fn geo_header(node: &Node<'_>) -> Option<String> {
    let name = node.header_name()?;
    if FRAMING.contains(&name.as_str()) {
        return node.wrong("another header, because HTTP or Envoy uses this one");
    }
    Some(name)
}

/// The header with the country: its name, and where it stands. `Some(None)`: it is not given.
fn read_country_header<'a>(object: &Object<'a>) -> Option<Option<(String, Node<'a>)>> {
    object.get("countryHeader").map_or(Some(None), |node| geo_header(&node).map(|name| Some((name, node))))
}

/// Adds the header with the country: the one that is named, or the preset's own.
fn with_country(
    preset: Preset,
    position: Position,
    given: Option<(String, Node<'_>)>,
    object: &Object<'_>,
) -> Option<GeoHeaders> {
    const EXPECTED: &str = "another header, because the coordinates stand in this one";
    let own = preset.headers();
    let country = match (&given, &position) {
        (Some((name, _)), _) => Some(name.clone()),
        (None, Position::EdgeScape(_)) => None, // it stands in the same header
        (None, _) => own.country,
    };
    let headers = GeoHeaders { position, country: None, ..own };
    if let Some(name) = country.as_deref().filter(|name| headers.names().any(|other| other == *name)) {
        return match given {
            Some((_, node)) => node.wrong(EXPECTED),
            None => object.absent("countryHeader").wrong_as(&format!("the default {name:?}"), EXPECTED),
        };
    }
    Some(GeoHeaders { country, ..headers })
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
        (None, Some(peers), None, None) => read_peers(&peers).map(Trust::Peers),
        (None, None, Some(header), Some(equals)) => {
            // Redacted: whoever takes the one for the other writes the secret here.
            let name = header.redacted_text(HEADER_NAME, is_token).map(str::to_ascii_lowercase);
            // A header arrives without the blanks around its value, and would never be equal to one that has them.
            let valid = |text: &str| !text.is_empty() && is_header_value(text) && text.trim_ascii() == text;
            let equals = equals.secret("a header value, at least one character and no blanks around it", valid);
            let name = name?;
            if geo_headers.is_some_and(|headers| headers.names().any(|other| other == name)) {
                return header.wrong("another header, because this one tells where the client is");
            }
            Some(Trust::Secret { header: name, equals: equals?.into_owned() })
        }
        _ => node.wrong(EXPECTED),
    }
}

fn read_peers(node: &Node<'_>) -> Option<Vec<IpNet>> {
    const EXPECTED: &str = "a list of networks such as \"192.0.2.0/24\" or \"2001:db8::/32\"";
    let items = node.list(EXPECTED)?;
    if items.is_empty() {
        return node.wrong(EXPECTED);
    }
    let networks: Vec<_> = items.iter().map(read_network).collect(); // all of them, before the first wrong one counts
    networks.into_iter().collect()
}

/// Reads a network in CIDR notation; a single address is a network of its own. An IPv4-mapped network is IPv4, because
/// addresses are compared without it.
fn read_network(node: &Node<'_>) -> Option<IpNet> {
    let network = node.as_text().and_then(|text| match text.split_once('/') {
        Some((address, length)) => IpNet::new(address.parse().ok()?, length.parse().ok()?).ok(),
        None => text.parse::<IpAddr>().ok().map(IpNet::from),
    });
    let Some(network) = network else { return node.wrong("a network such as \"192.0.2.0/24\" or \"2001:db8::/32\"") };
    let address = network.addr().to_canonical();
    if address == network.addr() {
        return Some(network);
    }
    let unmasked = network.prefix_len().checked_sub(96).and_then(|length| IpNet::new(address, length).ok());
    unmasked.or_else(|| node.wrong("a length of 96 to 128, or the IPv4 network without ::ffff:"))
}

const SITE: &str = "{cidr, latitude, longitude, country}";

fn read_sites(node: &Node<'_>) -> Option<Networks> {
    let items = node.list(&format!("a list of {SITE}"))?;
    let mut networks = Networks::default();
    let mut complete = true;
    for item in items {
        complete &= read_site(&item, &mut networks).is_some();
    }
    complete.then_some(networks)
}

fn read_site(node: &Node<'_>, networks: &mut Networks) -> Option<()> {
    let object = node.object_like(SITE)?;
    let cidr = object.require("cidr", "a network such as \"10.1.0.0/16\"");
    let network = cidr.as_ref().and_then(read_network);
    let coordinates = coordinates::read(&object);
    let country = object.get("country").map_or(Some(None), |node| country::read(&node).map(Some));
    object.finish();
    let (network, site) = (network?, Site { coordinates: coordinates?, country: country? });
    if networks.add(network, site) {
        Some(())
    } else {
        cidr?.wrong(&format!("another network, because {} is in the list already", network.trunc()))
    }
}

fn read_fallback(node: Option<Node<'_>>) -> Option<Fallback> {
    match node {
        None => Some(Fallback::LocalRegion),
        Some(node) if node.is_object() => {
            let object: Object<'_> = node.object()?;
            let coordinates = coordinates::read(&object);
            object.finish();
            coordinates.map(Fallback::At)
        }
        Some(node) if node.as_text() == Some("localRegion") => Some(Fallback::LocalRegion),
        Some(node) => node.wrong("\"localRegion\" or {latitude, longitude}"),
    }
}
