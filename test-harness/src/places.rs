//! Where things are on Earth: the places of regions and the cities that clients come from.
//!
//! A place is a fact, a test draws the conclusion.

use greatcircle::geo::Coordinates;

/// A named point on Earth, in degrees: north and east are positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// What people call it.
    pub name: &'static str,
    /// Degrees north of the equator, -90 to 90.
    pub latitude: f64,
    /// Degrees east of Greenwich, -180 to 180.
    pub longitude: f64,
}

impl Place {
    /// The place called `name` at these degrees.
    pub const fn new(name: &'static str, latitude: f64, longitude: f64) -> Self {
        Self { name, latitude, longitude }
    }
}

/// Great-circle kilometres between two points given as (latitude, longitude) in degrees.
///
/// # Panics
/// If a point is not on Earth.
pub fn kilometres(from: (f64, f64), to: (f64, f64)) -> f64 {
    let point = |(latitude, longitude)| match Coordinates::new(latitude, longitude) {
        Ok(point) => point,
        Err(_) => panic!("latitude {latitude}, longitude {longitude} is not on Earth"),
    };
    point(from).kilometres_to(&point(to)).0
}

macro_rules! places {
    ($($(#[$why:meta])* $constant:ident = $name:literal $latitude:literal $longitude:literal;)*) => {
        $(
            #[doc = concat!($name, ".")]
            $(#[$why])*
            pub const $constant: Place = Place::new($name, $latitude, $longitude);
        )*
        /// Every place in this file.
        pub const ALL: &[Place] = &[$($constant),*];
    };
}

places! {
    // Where the twelve regions of envoy/envoy.yaml stand.
    DUBLIN = "Dublin" 53.35 -6.26;
    FRANKFURT = "Frankfurt" 50.11 8.68;
    STOCKHOLM = "Stockholm" 59.33 18.07;
    ASHBURN = "Ashburn" 39.04 -77.49;
    PORTLAND = "Portland" 45.52 -122.68;
    SAO_PAULO = "São Paulo" -23.55 -46.63;
    CAPE_TOWN = "Cape Town" -33.92 18.42;
    DUBAI = "Dubai" 25.2 55.27;
    MUMBAI = "Mumbai" 19.08 72.88;
    SINGAPORE = "Singapore" 1.35 103.82;
    TOKYO = "Tokyo" 35.68 139.69;
    SYDNEY = "Sydney" -33.87 151.21;

    // Europe
    LONDON = "London" 51.51 -0.13;
    PARIS = "Paris" 48.86 2.35;
    GENEVA = "Geneva" 46.2 6.14;
    MADRID = "Madrid" 40.42 -3.7;
    ATHENS = "Athens" 37.98 23.73;
    HELSINKI = "Helsinki" 60.17 24.94;
    REYKJAVIK = "Reykjavik" 64.15 -21.94;
    /// North of the polar circle.
    TROMSO = "Tromsø" 69.65 18.96;

    // Africa
    CAIRO = "Cairo" 30.04 31.24;
    LAGOS = "Lagos" 6.52 3.38;
    NAIROBI = "Nairobi" -1.29 36.82;
    /// Close to where the equator meets the meridian of Greenwich.
    ACCRA = "Accra" 5.6 -0.19;

    // Asia
    ISTANBUL = "Istanbul" 41.01 28.98;
    TEHRAN = "Tehran" 35.69 51.39;
    DELHI = "Delhi" 28.61 77.21;
    COLOMBO = "Colombo" 6.93 79.86;
    JAKARTA = "Jakarta" -6.21 106.85;
    MANILA = "Manila" 14.6 120.98;
    SEOUL = "Seoul" 37.57 126.98;
    VLADIVOSTOK = "Vladivostok" 43.12 131.89;

    // America
    NEW_YORK = "New York" 40.71 -74.01;
    MEXICO_CITY = "Mexico City" 19.43 -99.13;
    LOS_ANGELES = "Los Angeles" 34.05 -118.24;
    ANCHORAGE = "Anchorage" 61.22 -149.9;
    BOGOTA = "Bogotá" 4.71 -74.07;
    LIMA = "Lima" -12.05 -77.04;
    BUENOS_AIRES = "Buenos Aires" -34.6 -58.38;
    /// Nearer to Antarctica than to any region.
    USHUAIA = "Ushuaia" -54.8 -68.3;

    // Pacific, on both sides of the date line
    AUCKLAND = "Auckland" -36.85 174.76;
    PERTH = "Perth" -31.95 115.86;
    /// Just west of the date line, so its longitude is almost 180.
    SUVA = "Suva" -18.14 178.44;
    /// Just east of the date line: 1151 km from Suva, 350 degrees of longitude away.
    APIA = "Apia" -13.83 -171.77;
    HONOLULU = "Honolulu" 21.31 -157.86;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(a: Place, b: Place) -> f64 {
        kilometres((a.latitude, a.longitude), (b.latitude, b.longitude))
    }

    #[test]
    fn the_date_line_is_no_distance() {
        assert_eq!(between(SUVA, APIA).round(), 1151.0);
    }

    #[test]
    fn no_two_places_share_a_name_or_a_spot() {
        for (index, a) in ALL.iter().enumerate() {
            for b in &ALL[index + 1..] {
                assert!(a.name != b.name && between(*a, *b) > 50.0, "{} and {}", a.name, b.name);
            }
        }
    }
}
