//! Distances on the globe: for all places that there are, against the ellipsoid, and where formulas break.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // allowed in tests, but clippy sees no test in a helper

mod common;

use common::{at, available, cases, coordinates, region, regions};
use geographiclib_rs::{Geodesic, InverseGeodesic};
use greatcircle::geo::{Coordinates, Kilometres, SquaredChord};
use greatcircle::health::Health;
use greatcircle::region::{RegionId, Regions};
use greatcircle::steering::{Decision, Origin, Policy, Query, Route, steer};
use proptest::num::f64::ANY;
use proptest::prelude::*;
use std::f64::consts::PI;

const EARTH_RADIUS_KM: f64 = 6371.0088;
const HALF_CIRCUMFERENCE_KM: f64 = PI * EARTH_RADIUS_KM;

/// The table of envoy/envoy.yaml.
const TWELVE_REGIONS: [(&str, f64, f64); 12] = [
    ("eu-west", 53.35, -6.26),
    ("eu-central", 50.11, 8.68),
    ("eu-north", 59.33, 18.07),
    ("us-east", 39.04, -77.49),
    ("us-west", 45.52, -122.68),
    ("sa-east", -23.55, -46.63),
    ("af-south", -33.92, 18.42),
    ("me-central", 25.2, 55.27),
    ("ap-south", 19.08, 72.88),
    ("ap-southeast", 1.35, 103.82),
    ("ap-northeast", 35.68, 139.69),
    ("oceania", -33.87, 151.21),
];

fn chord(from: Coordinates, to: Coordinates) -> SquaredChord {
    from.unit_vector().squared_chord(&to.unit_vector())
}

/// The textbook's haversine, as an opinion of its own.
fn haversine_km(from: Coordinates, to: Coordinates) -> f64 {
    let half = |a: f64, b: f64| ((a - b).to_radians() / 2.0).sin().powi(2);
    let cosines = from.latitude().to_radians().cos() * to.latitude().to_radians().cos();
    let h = half(from.latitude(), to.latitude()) + cosines * half(from.longitude(), to.longitude());
    2.0 * EARTH_RADIUS_KM * h.min(1.0).sqrt().asin()
}

fn antipode(coordinates: Coordinates) -> Coordinates {
    let longitude = coordinates.longitude();
    at(-coordinates.latitude(), if longitude > 0.0 { longitude - 180.0 } else { longitude + 180.0 })
}

/// Whether the antipode is a place in our sense: that of 0,180 is not.
fn has_antipode(coordinates: &Coordinates) -> bool {
    coordinates.latitude() != 0.0 || coordinates.longitude().abs() != 180.0
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn any_two_numbers_are_a_place_on_the_globe_or_refused(latitude in ANY, longitude in ANY) {
        let on_the_globe = latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && (latitude, longitude) != (0.0, 0.0);
        prop_assert_eq!(Coordinates::new(latitude, longitude).is_ok(), on_the_globe);
    }

    #[test]
    fn any_two_places_have_one_distance(from in coordinates(), to in coordinates()) {
        let Kilometres(km) = from.kilometres_to(&to);
        prop_assert!((0.0..=HALF_CIRCUMFERENCE_KM).contains(&km), "{km} km"); // NaN is in no range
        prop_assert!(chord(from, to) >= SquaredChord::ZERO);
        prop_assert_eq!(chord(from, to), chord(to, from));
        prop_assert_eq!(from.kilometres_to(&to), to.kilometres_to(&from));
        // Near the antipode both formulas lose digits, by the same arcsine near 1; half a metre is what remains.
        prop_assert!((km - haversine_km(from, to)).abs() < 0.000_5, "{km} km, haversine {}", haversine_km(from, to));
    }

    #[test]
    fn a_place_is_at_no_distance_from_itself(coordinates in coordinates()) {
        prop_assert_eq!(chord(coordinates, coordinates), SquaredChord::ZERO);
        prop_assert_eq!(coordinates.kilometres_to(&coordinates), Kilometres(0.0));
    }

    #[test]
    fn antipodes_are_half_the_globe_apart(coordinates in coordinates().prop_filter("0,0", has_antipode)) {
        let Kilometres(km) = coordinates.kilometres_to(&antipode(coordinates));
        prop_assert!((HALF_CIRCUMFERENCE_KM - 0.000_5..=HALF_CIRCUMFERENCE_KM).contains(&km), "{km} km");
    }

    #[test]
    fn near_the_antipode_there_still_is_a_distance(
        coordinates in coordinates().prop_filter("0,0", has_antipode),
        off in -1e-6..1e-6_f64,
    ) {
        let antipode = antipode(coordinates);
        let (latitude, longitude) = (antipode.latitude() + off, antipode.longitude() + off);
        let Kilometres(km) = coordinates.kilometres_to(&at(latitude.clamp(-90.0, 90.0), longitude.clamp(-180.0, 180.0)));
        prop_assert!((HALF_CIRCUMFERENCE_KM - 0.001..=HALF_CIRCUMFERENCE_KM).contains(&km), "{km} km");
    }

    #[test]
    fn a_pole_is_one_place_at_every_longitude(a in -180.0..=180.0, b in -180.0..=180.0, coordinates in coordinates()) {
        for pole in [-90.0, 90.0] {
            prop_assert_eq!(chord(at(pole, a), at(pole, b)), SquaredChord::ZERO);
            prop_assert_eq!(chord(coordinates, at(pole, a)), chord(coordinates, at(pole, b)));
        }
    }

    #[test]
    fn the_dateline_is_one_meridian(latitude in 0.1..=90.0, coordinates in coordinates()) {
        prop_assert_eq!(chord(coordinates, at(latitude, 180.0)), chord(coordinates, at(latitude, -180.0)));
    }
}

#[test]
fn places_where_formulas_break() {
    for (name, from, to, expected) in [
        ("identical points", at(53.35, -6.26), at(53.35, -6.26), 0.0),
        ("points a metre apart", at(53.35, -6.26), at(53.350_009, -6.26), 0.001),
        ("from pole to pole", at(90.0, 0.0), at(-90.0, 0.0), HALF_CIRCUMFERENCE_KM),
        ("from pole to pole, longitudes apart", at(90.0, 12.0), at(-90.0, -77.0), HALF_CIRCUMFERENCE_KM),
        ("one pole under two longitudes", at(-90.0, -120.0), at(-90.0, 60.0), 0.0),
        ("from a pole to the equator", at(90.0, 0.0), at(0.0, 77.0), HALF_CIRCUMFERENCE_KM / 2.0),
        ("antipodes on the equator", at(0.0, 10.0), at(0.0, -170.0), HALF_CIRCUMFERENCE_KM),
        // Half of this chord is rounded to more than 1, as it is for one pair of antipodes in two thousand.
        ("antipodes where a bare arcsine is NaN", at(-8.11, 32.15), antipode(at(-8.11, 32.15)), HALF_CIRCUMFERENCE_KM),
        ("the same, farther west", at(-11.01, -66.6), antipode(at(-11.01, -66.6)), HALF_CIRCUMFERENCE_KM),
        ("a degree across the dateline", at(0.0, 179.5), at(0.0, -179.5), HALF_CIRCUMFERENCE_KM / 180.0),
        ("Suva to Apia, across the dateline", at(-18.14, 178.44), at(-13.83, -171.77), 1149.8),
        ("the dateline from both sides", at(5.0, 180.0), at(5.0, -180.0), 0.0),
        ("Anchorage to Oslo, over the pole", at(61.22, -149.9), at(59.91, 10.75), 6420.0),
    ] {
        let Kilometres(km) = from.kilometres_to(&to);
        assert!((km - expected).abs() <= expected * 0.005 + 1e-6, "{name}: {km} km, expected {expected}");
    }
}

#[test]
fn exact_ties_keep_the_configured_order() {
    for (name, client, tied) in [
        ("two regions in one place", at(46.2, 6.14), vec![at(53.35, -6.26), at(53.35, -6.26)]),
        ("mirror images across Greenwich", at(20.0, 0.0), vec![at(10.0, 40.0), at(10.0, -40.0)]),
        ("mirror images across the equator", at(0.0, 33.3), vec![at(17.7, 44.4), at(-17.7, 44.4)]),
        ("mirror images across the dateline", at(-17.0, 180.0), vec![at(-18.0, 179.0), at(-18.0, -179.0)]),
        ("the same, the client on its other side", at(-17.0, -180.0), vec![at(-18.0, 179.0), at(-18.0, -179.0)]),
        ("one place on the dateline, written twice", at(52.5, 77.7), vec![at(65.0, 180.0), at(65.0, -180.0)]),
        ("a pole under three longitudes", at(52.5, 77.7), vec![at(90.0, 180.0), at(90.0, 0.0), at(90.0, -77.7)]),
        (
            "four quarters around the pole",
            at(90.0, 12.0),
            vec![at(60.0, 90.0), at(60.0, 0.0), at(60.0, 180.0), at(60.0, -90.0)],
        ),
    ] {
        // Whichever of them is configured first, it is the nearest.
        for first in 0..tied.len() {
            let mut order = tied.clone();
            order.rotate_left(first);
            let regions = regions(order);
            let chosen = nearest(client, &regions).index();
            assert_eq!(chosen, 0, "{name}, beginning with {:?}", tied[first]);
        }
    }
}

/// The region that a client is steered to if all are up.
fn nearest(client: Coordinates, regions: &Regions) -> RegionId {
    let query = Query { origin: Origin::Client(client), country: None };
    let all_up = available(&vec![Health::Up; regions.len()], true);
    match steer(&query, regions, &Policy::default(), &all_up, &mut ()) {
        Decision::Route(Route { region, rank: 1, .. }) => region,
        other => panic!("{other:?}"),
    }
}

/// Uniform on the sphere and the same in every run: SplitMix64 by Steele, Lea and Flood.
struct RandomPlaces(u64);

impl Iterator for RandomPlaces {
    type Item = Coordinates;

    fn next(&mut self) -> Option<Coordinates> {
        let mut fraction = || {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        let latitude = (2.0 * fraction() - 1.0).asin().to_degrees();
        Some(at(latitude, 360.0 * fraction() - 180.0))
    }
}

fn geodesic_km(ellipsoid: &Geodesic, from: Coordinates, to: Coordinates) -> f64 {
    let metres: f64 = ellipsoid.inverse(from.latitude(), from.longitude(), to.latitude(), to.longitude());
    metres / 1000.0
}

/// How far, relatively, a distance on the sphere may be from the one on the ellipsoid.
const SPHERE_ERROR: f64 = 0.0057;

#[test]
fn the_sphere_is_within_0_57_percent_of_the_ellipsoid() {
    let ellipsoid = Geodesic::wgs84();
    let mut worst = 0.0_f64;
    for (from, to) in RandomPlaces(1).zip(RandomPlaces(2)).take(20_000) {
        let geodesic = geodesic_km(&ellipsoid, from, to);
        worst = worst.max((from.kilometres_to(&to).0 - geodesic).abs() / geodesic);
    }
    println!("sphere against WGS-84: at most {:.3} %", worst * 100.0);
    assert!(worst < SPHERE_ERROR, "{worst}");
}

#[test]
fn the_nearest_region_on_the_sphere_is_the_nearest_on_the_ellipsoid() {
    const CLIENTS: usize = 1_000_000;
    let regions = TWELVE_REGIONS.map(|(name, latitude, longitude)| region(name, at(latitude, longitude)));
    let regions = Regions::new(regions.to_vec()).unwrap();
    let ellipsoid = Geodesic::wgs84();
    let (mut differ, mut worst_regret) = (0, 0.0_f64);

    for client in RandomPlaces(42).take(CLIENTS) {
        let chosen = nearest(client, &regions);

        // A geodesic is costly, so only regions that can win get one. With s and g a region's distance on the sphere and
        // on the ellipsoid, |g − s| ≤ e·s for e = SPHERE_ERROR. A region with s > best·(1 + e)/(1 − e) has
        // g ≥ s·(1 − e) > best·(1 + e) ≥ the best one's g: it is farther on the ellipsoid as well.
        let on_sphere: Vec<_> =
            regions.iter().map(|(id, region)| (id, haversine_km(client, region.coordinates()))).collect();
        let best = on_sphere.iter().map(|(_, km)| *km).fold(f64::INFINITY, f64::min);
        let can_win = |km: f64| km <= best * (1.0 + SPHERE_ERROR) / (1.0 - SPHERE_ERROR);
        let contenders: Vec<_> = on_sphere.iter().filter(|(_, km)| can_win(*km)).map(|(id, _)| *id).collect();
        if contenders == [chosen] {
            continue;
        }

        let km = |id| geodesic_km(&ellipsoid, client, regions.get(id).unwrap().coordinates());
        let nearest = contenders.iter().map(|id| km(*id)).fold(f64::INFINITY, f64::min);
        let regret = km(chosen) - nearest;
        differ += usize::from(regret > 0.0);
        worst_regret = worst_regret.max(regret);
    }

    let percent = differ as f64 * 100.0 / CLIENTS as f64;
    println!("{CLIENTS} clients: the nearest region differs for {percent:.3} %, worst regret {worst_regret:.1} km");
    assert!(percent <= 0.2, "{percent} %");
    assert!(worst_regret <= 50.0, "{worst_regret} km");
}
