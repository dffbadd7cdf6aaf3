//! The decision, for every reason there is as a table, and for anything at all against sorting and walking.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::{at, available, cases, coordinates, region, regions};
use greatcircle::client::country::Country;
use greatcircle::client::{Location, Via};
use greatcircle::geo::Kilometres;
use greatcircle::health::Health::{Down, Unknown, Up};
use greatcircle::record::Record;
use greatcircle::region::{Region, Regions};
use greatcircle::steering::{Cause, Decision, Origin, Policy, Query, Reason, Route, WhenAllDown, steer};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The regions ranked by distance and then by configured order, or just by that for `Nowhere`.
fn ranking(origin: Origin, regions: &Regions) -> Vec<usize> {
    let mut order: Vec<_> = (0..regions.len()).collect();
    if let Origin::Client(here) | Origin::Fallback(here) = origin {
        let places: Vec<_> = regions.iter().map(|(_, region)| region.unit_vector()).collect();
        let chord = |index: usize| here.unit_vector().squared_chord(places[index]);
        order.sort_by(|a, b| chord(*a).partial_cmp(&chord(*b)).unwrap().then(a.cmp(b)));
    }
    order
}

/// The decision by sorting and walking; the last resort is an index.
fn walk(origin: Origin, regions: &Regions, usable: &[bool], last_resort: LastResort) -> Decision {
    let order = ranking(origin, regions);
    let known = matches!(origin, Origin::Client(_));
    let decision = |index: usize, reason| {
        let (region, coordinates) = regions.iter().nth(order[index]).unwrap();
        let distance = match origin {
            Origin::Client(here) => Some(here.kilometres_to(&coordinates.coordinates())),
            _ => None,
        };
        Decision::Route(Route { region, reason, distance, rank: index + 1 })
    };
    let first_usable = order.iter().position(|index| usable[*index]);
    match (first_usable, last_resort) {
        (Some(index), _) if !known => decision(index, Reason::NoLocation),
        (Some(0), _) => decision(0, Reason::Nearest),
        (Some(index), _) => decision(index, Reason::Failover),
        (None, LastResort::Nearest) => decision(0, Reason::FailOpen),
        (None, LastResort::Region(index)) => {
            decision(order.iter().position(|other| *other == index).unwrap(), Reason::FailOpen)
        }
        (None, LastResort::Reject) => Decision::Reject,
    }
}

/// [`WhenAllDown`] before there are regions.
#[derive(Clone, Copy, Debug)]
enum LastResort {
    Nearest,
    Reject,
    Region(usize),
}

impl LastResort {
    fn of(self, regions: &Regions) -> WhenAllDown {
        match self {
            Self::Nearest => WhenAllDown::Nearest,
            Self::Reject => WhenAllDown::Reject,
            Self::Region(index) => WhenAllDown::Region(regions.iter().nth(index).unwrap().0),
        }
    }
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        4 => coordinates().prop_map(Origin::Client),
        2 => coordinates().prop_map(Origin::Fallback),
        1 => Just(Origin::Nowhere),
    ]
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn steering_is_sorting_and_walking(
        origin in origin(),
        // Half of the cases have everything down; places repeat, because they are drawn from a few.
        pool in vec(coordinates(), 1..8),
        drawn in vec((any::<Index>(), select(vec![Up, Down, Unknown])), 1..30),
        all_down: bool,
        unknown_is_up: bool,
        last_resort: Index,
    ) {
        let regions = regions(drawn.iter().map(|(coordinates, _)| pool[coordinates.index(pool.len())]));
        let health: Vec<_> = drawn.iter().map(|(_, health)| if all_down { Down } else { *health }).collect();
        let usable: Vec<_> =
            health.iter().map(|health| *health == Up || *health == Unknown && unknown_is_up).collect();
        let last_resort = match last_resort.index(regions.len() + 2) {
            0 => LastResort::Nearest,
            1 => LastResort::Reject,
            index => LastResort::Region(index - 2),
        };
        let policy = Policy { when_all_down: last_resort.of(&regions) };
        let (query, availability) = (Query { origin, country: None }, available(&health, unknown_is_up));
        let mut trace = Vec::new();
        let decision = steer(&query, &regions, &policy, &availability, &mut trace);
        prop_assert_eq!(decision, walk(origin, &regions, &usable, last_resort));
        prop_assert_eq!(decision, steer(&query, &regions, &policy, &availability, &mut ()), "whoever looks on");

        // Everybody before the first usable one was skipped, in order, for what is the matter with it.
        let order = ranking(origin, &regions);
        let skipped = order.iter().take_while(|index| !usable[**index]);
        let expected: Vec<_> = skipped
            .enumerate()
            .map(|(rank, index)| (*index, rank + 1, if health[*index] == Unknown { Cause::Unknown } else { Cause::Down }))
            .collect();
        let trace: Vec<_> = trace.iter().map(|(it, cause)| (it.region.index(), it.rank, *cause)).collect();
        prop_assert_eq!(trace, expected);
    }

    /// A snapshot of another configuration, or of none, is no reason to stop: what it does not cover is not usable.
    #[test]
    fn any_snapshot_gets_an_answer(origin in origin(), places in vec(coordinates(), 1..9), covered in 0..12_usize) {
        let (query, availability) = (Query { origin, country: None }, available(&vec![Up; covered], true));
        let decision = steer(&query, &regions(places), &Policy::default(), &availability, &mut ());
        prop_assert!(decision.region().is_some());
        prop_assert_eq!(decision.reason() == "failOpen", covered == 0);
    }
}

/// Configured in this order; seen from Geneva it is the reverse.
const THREE_REGIONS: [(&str, f64, f64); 3] =
    [("us-east", 39.04, -77.49), ("eu-west", 53.35, -6.26), ("eu-central", 50.11, 8.68)];

/// The decision records when the regions' health is this, us-east, eu-west and eu-central in this order: `U`p, `D`own or
/// unknown (`?`).
fn record(origin: Origin, health: &str, unknown_is_up: bool, last_resort: LastResort) -> String {
    let regions = THREE_REGIONS.map(|(name, latitude, longitude)| region(name, at(latitude, longitude)));
    let regions = Regions::new(regions.to_vec()).unwrap();
    let written = |letter| match letter {
        'U' => Up,
        'D' => Down,
        _ => Unknown,
    };
    let health: Vec<_> = health.chars().map(written).collect();
    let policy = Policy { when_all_down: last_resort.of(&regions) };
    let query = Query { origin, country: None };
    let Decision::Route(route) = steer(&query, &regions, &policy, &available(&health, unknown_is_up), &mut ()) else {
        return "rejected".into();
    };
    let region = regions.get(route.region).map_or("-", Region::name);
    // How the client was found is not steering's affair.
    let record = Record { route: &route, region, location: &Location::default() }.to_string();
    record.strip_suffix(";via=none").unwrap().to_owned()
}

#[test]
fn every_reason_there_is() {
    use LastResort::{Nearest, Region, Reject};
    let geneva = Origin::Client(at(46.2, 6.14));
    let near_geneva = Origin::Fallback(at(46.2, 6.14));
    let nowhere = Origin::Nowhere;
    for (name, origin, health, last_resort, expected) in [
        ("the nearest is up", geneva, "UUU", Nearest, "region=eu-central;reason=nearest;km=474;rank=1"),
        ("only the nearest is up", geneva, "DDU", Nearest, "region=eu-central;reason=nearest;km=474;rank=1"),
        ("the nearest is down", geneva, "UUD", Nearest, "region=eu-west;reason=failover;km=1191;rank=2"),
        ("the two nearest are down", geneva, "UDD", Nearest, "region=us-east;reason=failover;km=6566;rank=3"),
        ("all down, sent anyway", geneva, "DDD", Nearest, "region=eu-central;reason=failOpen;km=474;rank=1"),
        ("all down, to a named region", geneva, "DDD", Region(1), "region=eu-west;reason=failOpen;km=1191;rank=2"),
        ("all down, refused", geneva, "DDD", Reject, "rejected"),
        ("one up, nothing is refused", geneva, "UDD", Reject, "region=us-east;reason=failover;km=6566;rank=3"),
        ("one up, no last resort", geneva, "DDU", Region(0), "region=eu-central;reason=nearest;km=474;rank=1"),
        ("a stand-in", near_geneva, "UUU", Nearest, "region=eu-central;reason=noLocation;rank=1"),
        ("a stand-in, its nearest down", near_geneva, "UUD", Nearest, "region=eu-west;reason=noLocation;rank=2"),
        ("a stand-in, all down", near_geneva, "DDD", Nearest, "region=eu-central;reason=failOpen;rank=1"),
        ("no place, the first", nowhere, "UUU", Nearest, "region=us-east;reason=noLocation;rank=1"),
        ("no place, the first is down", nowhere, "DUU", Nearest, "region=eu-west;reason=noLocation;rank=2"),
        ("no place, all down", nowhere, "DDD", Nearest, "region=us-east;reason=failOpen;rank=1"),
        ("no place, all down, refused", nowhere, "DDD", Reject, "rejected"),
    ] {
        assert_eq!(record(origin, health, true, last_resort), expected, "{name}");
    }
}

#[test]
fn the_unknown_counts_as_configured() {
    for (name, health, unknown_is_up, expected) in [
        ("nobody knows, taken as up", "???", true, "region=eu-central;reason=nearest;km=474;rank=1"),
        ("nobody knows, taken as down", "???", false, "region=eu-central;reason=failOpen;km=474;rank=1"),
        ("the nearest unknown, taken as up", "UU?", true, "region=eu-central;reason=nearest;km=474;rank=1"),
        ("the nearest unknown, taken as down", "UU?", false, "region=eu-west;reason=failover;km=1191;rank=2"),
        ("unknown is better than down", "?DD", true, "region=us-east;reason=failover;km=6566;rank=3"),
        ("unknown is no better than down", "?DD", false, "region=eu-central;reason=failOpen;km=474;rank=1"),
    ] {
        let record = record(Origin::Client(at(46.2, 6.14)), health, unknown_is_up, LastResort::Nearest);
        assert_eq!(record, expected, "{name}");
    }
}

#[test]
fn where_distances_are_measured_from() {
    let suva = at(-18.14, 178.44);
    let origin = |via| Query::from(&Location { coordinates: Some(suva), via, country: None }).origin;
    for via in [Via::Network, Via::Headers, Via::Lookup, Via::Country] {
        assert_eq!(origin(via), Origin::Client(suva), "{via:?}");
    }
    assert_eq!(origin(Via::Fallback), Origin::Fallback(suva));
    assert_eq!(Query::from(&Location::default()).origin, Origin::Nowhere);
}

#[test]
fn the_record_is_a_public_format() {
    let (region, _) = regions([at(1.0, 1.0)]).iter().next().unwrap();
    let decision = |distance, reason, rank| Route { region, reason, distance, rank };
    let location =
        |via, country: &str| Location { via, country: Country::parse(country.as_bytes()), coordinates: None };
    for (decision, location, expected) in [
        (
            decision(Some(Kilometres(421.4)), Reason::Nearest, 1),
            location(Via::Headers, "DE"),
            "region=eu-west;reason=nearest;km=421;rank=1;via=headers;country=DE",
        ),
        (
            decision(Some(Kilometres(421.5)), Reason::Failover, 12),
            location(Via::Network, ""),
            "region=eu-west;reason=failover;km=422;rank=12;via=network",
        ),
        (
            decision(Some(Kilometres(0.0)), Reason::FailOpen, 1),
            location(Via::Lookup, "FJ"),
            "region=eu-west;reason=failOpen;km=0;rank=1;via=lookup;country=FJ",
        ),
        (
            decision(Some(Kilometres(20_015.1)), Reason::Nearest, 1),
            location(Via::Country, "NZ"),
            "region=eu-west;reason=nearest;km=20015;rank=1;via=country;country=NZ",
        ),
        (
            decision(None, Reason::NoLocation, 1),
            location(Via::Fallback, ""),
            "region=eu-west;reason=noLocation;rank=1;via=fallback",
        ),
        (
            decision(None, Reason::NoLocation, 1),
            location(Via::Nothing, ""),
            "region=eu-west;reason=noLocation;rank=1;via=none",
        ),
    ] {
        assert_eq!(Record { route: &decision, region: "eu-west", location: &location }.to_string(), expected);
    }
}

#[test]
fn the_names_of_reasons_are_public() {
    assert_eq!(Decision::REASONS, ["nearest", "failover", "noLocation", "failOpen", "rejected"]);
}
