//! Geo headers as every preset's edge sends them, and whom to believe. Who sends them is a line `:source: …`,
//! the gateway's own address a line `:own: …`.
#![no_main]

use greatcircle::client::headers::{GeoHeaders, Position};
use greatcircle::client::networks::Networks;
use greatcircle::client::presets::Preset;
use greatcircle::client::source::{self, Source};
use greatcircle::client::trust::Trust;
use greatcircle::client::{Headers, Reading, Settings, Via};
use greatcircle::geo::Coordinates;
use greatcircle_fuzz::{assert_on_the_globe, assert_on_the_map, headers};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// An edge that everybody is taken to be, and the same edge among others.
struct Edge {
    anyone: Settings,
    somebody: [Settings; 3],
}

static EDGES: LazyLock<[Edge; 7]> = LazyLock::new(|| {
    let peers = ["192.0.2.0/24", "2001:db8::/32", "127.0.0.0/8"];
    let peers = Trust::Peers(peers.iter().filter_map(|network| network.parse().ok()).collect());
    let secret = Trust::Secret { header: "x-edge".into(), equals: "s3cret".into() };
    Preset::ALL.map(|(_, preset)| Edge {
        anyone: settings(preset, Trust::Anyone),
        somebody: [Trust::Nobody, peers.clone(), secret.clone()].map(|trust| settings(preset, trust)),
    })
});

fuzz_target!(|lines: &[u8]| {
    let headers = headers(lines);
    let address = |line| headers.iter().find(|(name, _)| name == line).and_then(|(_, address)| source::parse(address));
    let source = Source::of(address(":source"), || address(":own").map(|own| own.ip()));
    for Edge { anyone, somebody } in &*EDGES {
        let believed = anyone.read(&headers, source);
        make_sense(anyone, &headers, &believed);
        for settings in somebody {
            trust_decides_only_whether_headers_count(&settings.read(&headers, source), &believed);
        }
    }
});

fn settings(preset: Preset, trust: Trust) -> Settings {
    Settings { networks: Networks::default(), headers: preset.headers(), trust, lookup: None, fallback: None }
}

/// What must hold of headers that are believed.
fn make_sense(settings: &Settings, headers: &Headers, reading: &Reading<'_>) {
    let location = &reading.location;
    location.coordinates.into_iter().for_each(assert_on_the_globe);
    location.country.into_iter().for_each(assert_on_the_map);
    assert!(reading.untrusted.is_empty() && reading.ask.is_none(), "{reading:?}");
    match settings.headers.coordinates(headers) {
        Ok(Some(coordinates)) => {
            assert_eq!((location.coordinates, location.via), (Some(coordinates), Via::Headers));
            assert_can_be_told(coordinates);
        }
        Ok(None) => assert_ne!(location.via, Via::Headers),
        Err(_) => assert!(reading.malformed && location.via != Via::Headers, "{reading:?}"),
    }
}

/// A place that was read from two headers is the same if it comes in one.
fn assert_can_be_told(coordinates: Coordinates) {
    let one = GeoHeaders { position: Position::One("x-pos".into()), country: None, unknown: &[] };
    let told = [("x-pos".to_owned(), format!("{}, {}", coordinates.latitude(), coordinates.longitude()).into_bytes())];
    assert_eq!(one.coordinates(&told), Ok(Some(coordinates)));
}

fn trust_decides_only_whether_headers_count(reading: &Reading<'_>, believed: &Reading<'_>) {
    if reading.untrusted.is_empty() {
        assert_eq!(reading, believed);
    } else {
        assert_eq!((reading.location.via, reading.location.country), (Via::Nothing, None));
        assert!(!reading.malformed, "nobody looks at what is not believed");
    }
}
