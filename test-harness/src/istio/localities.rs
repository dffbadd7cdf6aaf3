//! Endpoints of a service, near ones first: localities with priorities as Istio gives them to a gateway.
//!
//! Envoy turns to the next priority when outlier detection has taken away enough of one.

use super::api::{Failover, Labels};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A place in the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locality {
    /// The region.
    pub region: String,
    /// The zone in it.
    pub zone: String,
}

impl Locality {
    /// A zone in a region.
    pub fn new(region: &str, zone: &str) -> Self {
        Self { region: region.into(), zone: zone.into() }
    }

    /// From `region/zone`.
    pub fn parse(text: &str) -> Self {
        let (region, zone) = text.split_once('/').unwrap_or((text, ""));
        Self::new(region, zone)
    }

    /// As Envoy writes it.
    pub fn to_json(&self) -> Value {
        json!({"region": self.region, "zone": self.zone})
    }
}

/// Somebody who answers, on a port of the loopback, with the labels that Istio has put there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The port.
    pub port: u16,
    /// Where it is.
    pub locality: Locality,
    /// Its pod's labels and those of its place.
    pub labels: Labels,
}

impl Endpoint {
    /// An endpoint with the labels of its place, and these.
    pub fn new(port: u16, locality: Locality, mut labels: Labels) -> Self {
        labels.insert("topology.kubernetes.io/region".into(), locality.region.clone());
        labels.insert("topology.kubernetes.io/zone".into(), locality.zone.clone());
        Self { port, locality, labels }
    }

    /// Whether it has all of these labels.
    pub fn has(&self, labels: &Labels) -> bool {
        labels.iter().all(|(name, value)| self.labels.get(name) == Some(value))
    }
}

/// The localities of a load assignment. `failover` is `None` where locality failover is off: all are equal then.
pub fn assigned(endpoints: &[Endpoint], own: &Locality, failover: Option<&[Failover]>) -> Vec<Value> {
    let mut by_locality: BTreeMap<&Locality, Vec<u16>> = BTreeMap::new();
    for endpoint in endpoints {
        by_locality.entry(&endpoint.locality).or_default().push(endpoint.port);
    }
    let distance = |locality: &Locality| failover.map_or(0, |failover| distance(own, locality, failover));
    let mut priorities: Vec<u32> = by_locality.keys().map(|locality| distance(locality)).collect();
    priorities.sort_unstable();
    priorities.dedup();
    // Envoy wants priorities without gaps.
    let priority = |locality: &Locality| priorities.iter().position(|priority| *priority == distance(locality));
    let one = |(locality, ports): (&Locality, Vec<u16>)| {
        json!({
            "locality": locality.to_json(),
            "lb_endpoints": ports.iter().map(|port| endpoint(*port)).collect::<Vec<_>>(),
            "load_balancing_weight": ports.len(),
            "priority": priority(locality),
        })
    };
    by_locality.into_iter().map(one).collect()
}

/// 0: the same zone, 2: the same region, 3: a region to fail over to, 4: any other one. (1 is for subzones.)
fn distance(own: &Locality, other: &Locality, failover: &[Failover]) -> u32 {
    if own.region == other.region {
        return if own.zone == other.zone { 0 } else { 2 };
    }
    // The first rule for the own region counts, and no other.
    match failover.iter().find(|rule| rule.from == own.region) {
        Some(rule) if rule.to != other.region => 4,
        _ => 3,
    }
}

fn endpoint(port: u16) -> Value {
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    json!({"endpoint": {"address": address}, "load_balancing_weight": 1})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_come_first_then_regions() {
        let rule = |from: &str, to: &str| Failover { from: from.into(), to: to.into() };
        let rules = [rule("eu-west", "us-east"), rule("us-east", "eu-west")];
        let everywhere = ["ap-south/a", "eu-west/a", "eu-west/b", "us-east/a"];
        for (own, places, failover, expected) in [
            ("eu-west/a", &everywhere[..], Some(&rules[..]), &[3, 0, 1, 2][..]),
            ("us-east/z", &everywhere, Some(&rules), &[2, 1, 1, 0]),
            ("ap-south/a", &everywhere, Some(&rules), &[0, 1, 1, 1]),
            ("eu-west/b", &everywhere, Some(&[]), &[2, 1, 0, 2]),
            ("eu-west/b", &everywhere, None, &[0, 0, 0, 0]),
            ("eu-west/a", &["us-east/a", "us-east/b"], Some(&rules), &[0, 0]),
        ] {
            let at = |place: &&str| Endpoint::new(1, Locality::parse(place), Labels::new());
            let endpoints: Vec<_> = places.iter().map(at).collect();
            let assigned = assigned(&endpoints, &Locality::parse(own), failover);
            let priorities: Vec<_> = assigned.iter().map(|locality| locality["priority"].clone()).collect();
            assert_eq!(priorities, expected, "from {own} to {places:?}");
        }
    }
}
