//! The walk against the function that it replaces, on a million random worlds. To be deleted together with that function.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use greatcircle::availability::{Availability, Status};
use greatcircle::geo::{Coordinates, Kilometres, SquaredChord, UnitVector};
use greatcircle::health::Health;
use greatcircle::region::{Region, RegionId, Regions};
use greatcircle::steering::{self, Origin, Policy, Query, WhenAllDown};

mod common;

const WORLDS: u32 = 1_000_000;

#[test]
fn the_walk_decides_as_the_function_before_it_did() {
    let mut random = Random(7);
    let mut seen = [0_u32; 5];
    for world in 0..WORLDS {
        let pool: Vec<_> = (0..1 + random.below(8)).map(|_| random.coordinates()).collect();
        let count = 1 + random.below(30);
        let regions = (0..count).map(|index| {
            let coordinates = pool[random.below(pool.len())];
            Region::new(format!("r{index}"), coordinates, common::check())
        });
        let regions = Regions::new(regions.collect()).unwrap();
        let all_down = random.below(3) == 0;
        let availability: Availability = (0..count)
            .map(|_| {
                let health = [Health::Up, Health::Down, Health::Unknown][random.below(3)];
                let usable = !all_down && (health == Health::Up || health == Health::Unknown && random.below(2) == 0);
                Status { health: if all_down { Health::Down } else { health }, usable }
            })
            .collect();
        let here = if random.below(4) == 0 { pool[0] } else { random.coordinates() };
        let origin = [Origin::Client(here), Origin::Fallback(here), Origin::Nowhere][random.below(3)];
        let region = regions.iter().nth(random.below(count)).unwrap().0;
        let when_all_down = [WhenAllDown::Nearest, WhenAllDown::Reject, WhenAllDown::Region(region)][random.below(3)];

        let before = steer(origin, &regions, &availability, when_all_down);
        let query = Query { origin, country: None };
        let mut trace = Vec::new();
        let now = steering::steer(&query, &regions, &Policy { when_all_down }, &availability, &mut trace);
        let now_untraced = steering::steer(&query, &regions, &Policy { when_all_down }, &availability, &mut ());
        assert_eq!(now, now_untraced, "world {world}");
        seen[now.index()] += 1;
        match now {
            steering::Decision::Reject => {
                assert_eq!((before.region, before.distance, before.rank), (None, None, 0), "world {world}");
                assert_eq!(before.reason, Reason::Rejected);
            }
            steering::Decision::Route(route) => {
                let bits = |km: Option<Kilometres>| km.map(|km| km.0.to_bits());
                assert_eq!(before.region, Some(route.region), "world {world}");
                assert_eq!(bits(before.distance), bits(route.distance), "world {world}");
                assert_eq!((before.reason as usize, before.rank), (route.reason as usize, route.rank), "world {world}");
            }
        }
    }
    println!("{WORLDS} worlds: {:?}", steering::Decision::REASONS.iter().zip(seen).collect::<Vec<_>>());
    assert!(seen.iter().all(|count| *count > 10_000));
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit as u64) as usize
    }

    fn coordinates(&mut self) -> Coordinates {
        let mut degrees = |limit: f64| match self.below(4) {
            0 => [-limit, -0.0, 0.0, limit, 1e-9, limit / 2.0][self.below(6)],
            _ => (self.below(2_000_001) as f64 / 1_000_000.0 - 1.0) * limit,
        };
        let (latitude, longitude) = (degrees(90.0), degrees(180.0));
        Coordinates::new(latitude, longitude).unwrap_or_else(|_| Coordinates::new(1.0, 1.0).unwrap())
    }
}

// --- the function before, unchanged but for the name of the snapshot ---

/// Why a request goes where it goes. Log, metric and header derive from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// The nearest region is usable.
    Nearest,
    /// A nearer region is down.
    Failover,
    /// The client's place is not known; the walk began at the fallback.
    NoLocation,
    /// Every region is down, and it was sent somewhere anyway.
    FailOpen,
    /// Every region is down, and the configuration says to refuse.
    Rejected,
}

/// Where one request goes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Decision {
    /// The region; `None` if the request is refused.
    region: Option<RegionId>,
    /// Why.
    reason: Reason,
    /// How far the region is from the client; `None` if the client's place is not known.
    distance: Option<Kilometres>,
    /// The region's place in the order of distance, 1 for the nearest whatever its health; 0 if there is no region.
    rank: usize,
}

/// Decides where a request from `origin` goes.
fn steer(origin: Origin, regions: &Regions, health: &Availability, when_all_down: WhenAllDown) -> Decision {
    let ladder = Ladder::from(origin);
    let nearest_usable = ladder.nearest(regions.iter().filter(|(id, _)| health.usable(*id)));
    if let Some((region, chord)) = nearest_usable {
        let rank = ladder.rank(regions, region, chord);
        let reason = match (origin, rank) {
            (Origin::Fallback(_) | Origin::Nowhere, _) => Reason::NoLocation,
            (Origin::Client(_), 1) => Reason::Nearest,
            (Origin::Client(_), _) => Reason::Failover,
        };
        return Decision { region: Some(region), reason, distance: ladder.distance(origin, chord), rank };
    }
    let last_resort = match when_all_down {
        WhenAllDown::Reject => None,
        WhenAllDown::Nearest => ladder.nearest(regions.iter()),
        WhenAllDown::Region(region) => regions.get(region).map(|coordinates| (region, ladder.chord(coordinates))),
    };
    match last_resort {
        None => Decision { region: None, reason: Reason::Rejected, distance: None, rank: 0 },
        Some((region, chord)) => Decision {
            region: Some(region),
            reason: Reason::FailOpen,
            distance: ladder.distance(origin, chord),
            rank: ladder.rank(regions, region, chord),
        },
    }
}

/// The regions in order of distance from one point, or in configured order if there is no point.
///
/// It is never written out as a list: for one request it costs less to look at every region once.
struct Ladder(Option<UnitVector>);

impl Ladder {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Client(coordinates) | Origin::Fallback(coordinates) => Self(Some(coordinates.unit_vector())),
            Origin::Nowhere => Self(None),
        }
    }

    #[inline]
    fn chord(&self, region: &Region) -> SquaredChord {
        self.0.as_ref().map_or(SquaredChord::ZERO, |here| here.squared_chord(region.unit_vector()))
    }

    /// The first rung among these; of equally distant ones the first.
    #[inline]
    fn nearest<'a>(&self, regions: impl Iterator<Item = (RegionId, &'a Region)>) -> Option<(RegionId, SquaredChord)> {
        regions
            .map(|(id, region)| (id, self.chord(region)))
            .reduce(|nearest, candidate| if candidate.1 < nearest.1 { candidate } else { nearest })
    }

    /// Which rung this region stands on, counted from 1.
    fn rank(&self, regions: &Regions, region: RegionId, chord: SquaredChord) -> usize {
        1 + regions.iter().map(|(id, other)| (self.chord(other), id)).filter(|&rung| rung < (chord, region)).count()
    }

    /// The distance worth showing: one from a stand-in says nothing about the client.
    fn distance(&self, origin: Origin, chord: SquaredChord) -> Option<Kilometres> {
        matches!(origin, Origin::Client(_)).then(|| chord.kilometres())
    }
}
