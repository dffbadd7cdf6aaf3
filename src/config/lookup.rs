//! The block `clientLocation.lookup`: a service that knows where addresses are, and how its answers are kept.

use super::reader::{Node, Object, is_one_word};
use crate::call::Request;
use crate::client::lookup::answer::{CoordinatePointers, Pointers};
use crate::client::lookup::{Budget, Cache, Rate, Settings};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(31_557_600); // what a message calls "1year"

/// Reads how a lookup service is asked.
pub(super) fn read(node: &Node<'_>) -> Option<Settings> {
    let object = node.object()?;
    // Everything is read before any `?`, so that one problem does not hide the next.
    let cluster = object
        .require("cluster", "the name of an Envoy cluster")
        .and_then(|node| node.text("the name of an Envoy cluster", is_name));
    let authority = object.get("authority").map_or(Some(None), |node| {
        node.redacted_text("a host name: no blanks or slashes", |name| is_name(name) && !name.contains('/')).map(Some)
    });
    let path = object.get("path").map_or(Some("/{ip}/json".into()), |node| {
        node.secret("a path that begins with / and contains {ip}, without blanks", |path| {
            path.starts_with('/') && path.contains("{ip}") && is_name(path)
        })
    });
    let headers = object.get("headers").map_or_else(|| Some(Vec::new()), |node| read_headers(&node));
    let timeout = read_duration(&object, "timeout", 200 * MILLISECOND, MILLISECOND..=10 * SECOND);
    let coordinates = read_coordinate_pointers(&object);
    let country = read_pointer(&object, "country", "/country");
    let address = read_pointer(&object, "address", "/ip");
    let cache = object.section("cache").and_then(|cache| read_cache(&cache));
    let budget = object.section("budget").and_then(|budget| read_budget(&budget));
    object.finish();
    let (cluster, authority) = (cluster?.to_owned(), authority?);
    let authority = authority.map_or_else(|| cluster.clone(), str::to_owned);
    let (method, path, headers) = ("GET".to_owned(), path?.into_owned(), headers?);
    Some(Settings {
        request: Request { cluster, authority, method, path, headers },
        timeout: timeout?,
        pointers: Pointers { coordinates: coordinates?, country: country?, address: address? },
        cache: cache?,
        budget: budget?,
    })
}

fn read_headers(node: &Node<'_>) -> Option<Vec<(String, String)>> {
    let headers = node.headers()?;
    // Envoy would append it to `:authority`, and the service would not be asked by its name.
    let has_host = headers.iter().any(|(name, _)| name == "host");
    if has_host { node.wrong("no header \"host\", which authority is for") } else { Some(headers) }
}

fn read_coordinate_pointers(object: &Object<'_>) -> Option<CoordinatePointers> {
    let [location, latitude, longitude] = ["location", "latitude", "longitude"].map(|key| object.get(key));
    match (location, latitude, longitude) {
        (None, None, None) => Some(CoordinatePointers::One("/loc".into())),
        (Some(location), None, None) => pointer(&location).map(CoordinatePointers::One),
        (None, Some(latitude), Some(longitude)) => {
            let (latitude, longitude) = (pointer(&latitude), pointer(&longitude));
            Some(CoordinatePointers::Pair { latitude: latitude?, longitude: longitude? })
        }
        _ => object.node().wrong("either location, or latitude and longitude"),
    }
}

fn read_pointer(object: &Object<'_>, key: &'static str, default: &str) -> Option<String> {
    object.get(key).map_or_else(|| Some(default.to_owned()), |node| pointer(&node))
}

/// A JSON pointer (RFC 6901) to something inside the answer: `~` in a key is written `~0`, and `/` is `~1`.
fn pointer(node: &Node<'_>) -> Option<String> {
    let valid = |pointer: &str| {
        let mut escapes = pointer.split('~').skip(1);
        pointer.starts_with('/') && escapes.all(|rest| rest.starts_with(['0', '1']))
    };
    node.text("a JSON pointer such as \"/loc\" (a ~ inside a name is written ~0)", valid).map(str::to_owned)
}

fn read_cache(object: &Object<'_>) -> Option<Cache> {
    let integer = |key, default, range| object.get(key).map_or(Some(default), |node| node.integer(range));
    let entries = integer("entries", 10_000, 0..=1_000_000);
    let ttl = read_duration(object, "ttl", 24 * HOUR, SECOND..=YEAR);
    let negative_ttl = read_duration(object, "negativeTtl", 300 * SECOND, SECOND..=YEAR);
    let prefix_v4 = integer("prefixV4", 24, 8..=32);
    let prefix_v6 = integer("prefixV6", 48, 16..=128);
    object.finish();
    Some(Cache {
        entries: entries?.unsigned_abs(),
        ttl: ttl?,
        negative_ttl: negative_ttl?,
        prefix_v4: u8::try_from(prefix_v4?).ok()?,
        prefix_v6: u8::try_from(prefix_v6?).ok()?,
    })
}

fn read_budget(object: &Object<'_>) -> Option<Budget> {
    let rate = |key, default| object.section(key).and_then(|rate| read_rate(&rate, default));
    let Budget { worker, network } = Budget::default();
    let (worker, network) = (rate("worker", worker), rate("network", network));
    object.finish();
    Some(Budget { worker: worker?, network: network? })
}

fn read_rate(object: &Object<'_>, default: Rate) -> Option<Rate> {
    let burst = object.get("burst").map_or(Some(default.burst), |node| node.integer(1..=1_000_000)?.try_into().ok());
    let every = read_duration(object, "every", default.every, MILLISECOND..=DAY);
    object.finish();
    Some(Rate { burst: burst?, every: every? })
}

fn read_duration(
    object: &Object<'_>,
    key: &'static str,
    default: Duration,
    range: std::ops::RangeInclusive<Duration>,
) -> Option<Duration> {
    object.get(key).map_or(Some(default), |node| node.duration(range))
}

/// Something that can stand in a request line or name a cluster.
fn is_name(text: &str) -> bool {
    !text.is_empty() && is_one_word(text)
}
