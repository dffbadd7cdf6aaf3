//! Requests that never end fill what Envoy allows a cluster. A region is not to be taken for dead because of that.
//!
//! Regions close each connection, as servers of HTTP/1.0 do: a thread with a connection of its own left is not held up.

use crate::attack;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use test_harness::minimal::Minimal;
use test_harness::{Fault, Metrics, World, eventually, eventually_equals, places::*};

#[test]
fn slow_posts_by_the_thousand_take_no_region_down() {
    attack("slow POSTs to the nearest region until Envoy's default limits, twice 1,024, are reached", || {
        let gateway = Minimal::start().unwrap();
        eventually_equals("both regions up", [Some(1); 2], || health(&gateway));
        gateway.regions.iter().for_each(|region| region.fails_with(Fault::Closes));
        let waiting = || gateway.envoy.stat("cluster.eu-west.upstream_rq_pending_active");
        let mut posts = Vec::new();
        eventually_equals("as many as may wait, behind those that are sent", Some(1024), || {
            posts.extend(slow_posts(gateway.address(), GENEVA, 200));
            waiting()
        });
        let before = probes(&gateway.envoy.metrics(), "eu-west");
        // As many as would take it down, were they lost.
        let seen = eventually("four more probes", || {
            let seen = probes(&gateway.envoy.metrics(), "eu-west");
            let more = seen.values().sum::<u64>() - before.values().sum::<u64>();
            if more >= 4 { Ok(seen) } else { Err(seen) }
        });
        assert_eq!(health(&gateway), [Some(1); 2], "{seen:?}");
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["success"]);
        for _ in 0..100 {
            let answer = gateway.client().from(NEW_YORK).get("/");
            assert_eq!((answer.status, answer.region.as_deref()), (200, Some("us-east")));
        }
        format!("{} POSTs: both regions up, 100 of 100 clients of the other region served", posts.len())
    });
}

#[test]
fn slow_posts_below_the_limits_of_the_shipped_file_leave_everybody_served() {
    attack("1,200 slow POSTs to the nearest of twelve regions, at the limits of envoy.yaml", || {
        let world = World::from_envoy_yaml().start();
        eventually("every region up", || world.regions().iter().all(|region| world.health(region.name()) == Some(1)));
        let _posts = slow_posts(world.address(), GENEVA, 1200);
        let active = || world.envoy().stat("cluster.region-eu-central.upstream_rq_active");
        eventually_equals("posts that go on", Some(1200), active);
        let before = world.region("eu-central").probe_count();
        let load = world.load().from(GENEVA).rate(50).start();
        eventually("three more probes", || world.region("eu-central").probe_count() >= before + 3);
        let report = load.stop();
        assert!(report.failures().is_empty(), "{:?}", report.failures());
        assert!(report.samples.iter().all(|sample| sample.is_from("eu-central")), "{:?}", report.by_region());
        assert_eq!(world.transitions().values().sum::<u64>(), 12, "every region came up, and no more");
        format!("every region up, {0} of {0} clients of the same region served by it", report.samples.len())
    });
}

/// So many connections from here, each with a POST that has begun and does not go on.
fn slow_posts(gateway: SocketAddr, from: Place, count: usize) -> Vec<TcpStream> {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: gateway\r\nx-geo-latitude: {}\r\nx-geo-longitude: {}\r\ncontent-length: 1000\r\n\r\na",
        from.latitude, from.longitude
    );
    let post = || {
        let mut connection = TcpStream::connect(gateway).unwrap();
        connection.write_all(head.as_bytes()).unwrap();
        connection
    };
    (0..count).map(|_| post()).collect()
}

fn health(gateway: &Minimal) -> [Option<u64>; 2] {
    let metrics = gateway.envoy.metrics();
    ["eu-west", "us-east"].map(|name| metrics.sample("greatcircle_region_health", &[("region", name)]))
}

fn probes(metrics: &Metrics, region: &str) -> BTreeMap<String, u64> {
    metrics.sums("greatcircle_probes_total", &[("region", region)], &["outcome"])
}
