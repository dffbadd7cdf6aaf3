//! The middle of each country: the location of last resort.
//!
//! All 249 codes of ISO 3166-1 alpha-2 with a point inside the country's bounding box, in tenths of a degree, which is finer
//! than "somewhere in this country" deserves. Source of the figures: the crate keshvar 0.7.0 (BSD-3-Clause), which the tests
//! compare them with.

use crate::geo::Coordinates;
use std::fmt::{self, Write};

/// A country by its ISO 3166-1 alpha-2 code; only codes that are assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads a code such as `DE` or `de`; `None` for what is no assigned code, such as `XX` or `T1`, which edges send when they
    /// do not know.
    pub fn parse(code: &[u8]) -> Option<Self> {
        let code: [u8; 2] = code.trim_ascii().try_into().ok()?;
        let code = code.map(|letter| letter.to_ascii_uppercase());
        find(code).map(|_| Self(code))
    }

    /// The code as two upper-case letters.
    pub fn code(self) -> [u8; 2] {
        self.0
    }

    /// A point in the middle of the country.
    pub fn centroid(self) -> Option<Coordinates> {
        let (_, latitude, longitude) = find(self.0)?;
        Coordinates::new(f64::from(*latitude) / 10.0, f64::from(*longitude) / 10.0).ok()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| f.write_char(char::from(*letter)))
    }
}

type Row = ([u8; 2], i16, i16);

fn find(code: [u8; 2]) -> Option<&'static Row> {
    COUNTRIES.binary_search_by_key(&code, |(code, ..)| *code).ok().and_then(|row| COUNTRIES.get(row))
}

/// Code, latitude and longitude in tenths of a degree, sorted by code.
#[rustfmt::skip]
static COUNTRIES: [Row; 249] = [
    (*b"AD", 425, 15), (*b"AE", 234, 538), (*b"AF", 339, 677), (*b"AG", 171, -618), (*b"AI", 182, -631),
    (*b"AL", 412, 202), (*b"AM", 401, 450), (*b"AO", -112, 179), (*b"AQ", -829, 1350), (*b"AR", -384, -636),
    (*b"AS", -143, -1701), (*b"AT", 475, 146), (*b"AU", -253, 1338), (*b"AW", 125, -700), (*b"AX", 602, 199),
    (*b"AZ", 401, 476), (*b"BA", 439, 177), (*b"BB", 132, -595), (*b"BD", 237, 904), (*b"BE", 505, 45),
    (*b"BF", 122, -16), (*b"BG", 427, 255), (*b"BH", 261, 506), (*b"BI", -34, 299), (*b"BJ", 93, 23),
    (*b"BL", 179, -628), (*b"BM", 323, -648), (*b"BN", 45, 1147), (*b"BO", -163, -636), (*b"BQ", 122, -682),
    (*b"BR", -142, -519), (*b"BS", 250, -774), (*b"BT", 275, 904), (*b"BV", -544, 33), (*b"BW", -223, 247),
    (*b"BY", 537, 280), (*b"BZ", 172, -885), (*b"CA", 561, -1063), (*b"CC", -122, 969), (*b"CD", -40, 218),
    (*b"CF", 66, 209), (*b"CG", -2, 158), (*b"CH", 468, 82), (*b"CI", 75, -55), (*b"CK", -212, -1598),
    (*b"CL", -357, -715), (*b"CM", 74, 124), (*b"CN", 359, 1042), (*b"CO", 46, -743), (*b"CR", 97, -838),
    (*b"CU", 215, -778), (*b"CV", 165, -230), (*b"CW", 122, -690), (*b"CX", -104, 1057), (*b"CY", 351, 334),
    (*b"CZ", 498, 155), (*b"DE", 512, 105), (*b"DJ", 118, 426), (*b"DK", 563, 95), (*b"DM", 154, -614),
    (*b"DO", 187, -702), (*b"DZ", 280, 17), (*b"EC", -18, -782), (*b"EE", 586, 250), (*b"EG", 268, 308),
    (*b"EH", 242, -129), (*b"ER", 152, 398), (*b"ES", 405, -37), (*b"ET", 91, 405), (*b"FI", 619, 257),
    (*b"FJ", -177, 1781), (*b"FK", -518, -595), (*b"FM", 74, 1506), (*b"FO", 619, -69), (*b"FR", 462, 22),
    (*b"GA", -8, 116), (*b"GB", 554, -34), (*b"GD", 121, -617), (*b"GE", 423, 434), (*b"GF", 39, -531),
    (*b"GG", 494, -26), (*b"GH", 79, -10), (*b"GI", 361, -54), (*b"GL", 717, -426), (*b"GM", 134, -153),
    (*b"GN", 99, -97), (*b"GP", 163, -616), (*b"GQ", 17, 103), (*b"GR", 391, 218), (*b"GS", -544, -366),
    (*b"GT", 158, -902), (*b"GU", 134, 1448), (*b"GW", 118, -152), (*b"GY", 49, -589), (*b"HK", 223, 1142),
    (*b"HM", -531, 735), (*b"HN", 152, -862), (*b"HR", 451, 152), (*b"HT", 190, -723), (*b"HU", 472, 195),
    (*b"ID", -8, 1139), (*b"IE", 531, -77), (*b"IL", 310, 349), (*b"IM", 542, -45), (*b"IN", 206, 790),
    (*b"IO", -63, 719), (*b"IQ", 332, 437), (*b"IR", 324, 537), (*b"IS", 650, -190), (*b"IT", 419, 126),
    (*b"JE", 492, -21), (*b"JM", 181, -773), (*b"JO", 306, 362), (*b"JP", 362, 1383), (*b"KE", 0, 379),
    (*b"KG", 412, 748), (*b"KH", 126, 1050), (*b"KI", -34, -1687), (*b"KM", -116, 433), (*b"KN", 174, -628),
    (*b"KP", 403, 1275), (*b"KR", 359, 1278), (*b"KW", 293, 475), (*b"KY", 193, -813), (*b"KZ", 480, 669),
    (*b"LA", 199, 1025), (*b"LB", 339, 359), (*b"LC", 139, -610), (*b"LI", 472, 96), (*b"LK", 79, 808),
    (*b"LR", 64, -94), (*b"LS", -296, 282), (*b"LT", 552, 239), (*b"LU", 498, 61), (*b"LV", 569, 246),
    (*b"LY", 263, 172), (*b"MA", 318, -71), (*b"MC", 437, 74), (*b"MD", 474, 284), (*b"ME", 427, 194),
    (*b"MF", 181, -631), (*b"MG", -188, 469), (*b"MH", 71, 1712), (*b"MK", 416, 217), (*b"ML", 176, -40),
    (*b"MM", 219, 960), (*b"MN", 469, 1038), (*b"MO", 222, 1135), (*b"MP", 151, 1457), (*b"MQ", 146, -610),
    (*b"MR", 210, -109), (*b"MS", 167, -622), (*b"MT", 359, 144), (*b"MU", -203, 576), (*b"MV", 32, 732),
    (*b"MW", -133, 343), (*b"MX", 236, -1026), (*b"MY", 42, 1020), (*b"MZ", -187, 355), (*b"NA", -230, 185),
    (*b"NC", -209, 1656), (*b"NE", 176, 81), (*b"NF", -290, 1680), (*b"NG", 91, 87), (*b"NI", 129, -852),
    (*b"NL", 521, 53), (*b"NO", 605, 85), (*b"NP", 284, 841), (*b"NR", -5, 1669), (*b"NU", -191, -1699),
    (*b"NZ", -409, 1749), (*b"OM", 215, 560), (*b"PA", 85, -808), (*b"PE", -92, -750), (*b"PF", -177, -1494),
    (*b"PG", -63, 1440), (*b"PH", 129, 1218), (*b"PK", 304, 693), (*b"PL", 519, 191), (*b"PM", 469, -563),
    (*b"PN", -244, -1283), (*b"PR", 182, -666), (*b"PS", 320, 352), (*b"PT", 394, -82), (*b"PW", 75, 1346),
    (*b"PY", -234, -584), (*b"QA", 254, 512), (*b"RE", -211, 555), (*b"RO", 459, 250), (*b"RS", 440, 210),
    (*b"RU", 615, 1053), (*b"RW", -19, 299), (*b"SA", 239, 451), (*b"SB", -96, 1602), (*b"SC", -47, 555),
    (*b"SD", 129, 302), (*b"SE", 601, 186), (*b"SG", 14, 1038), (*b"SH", -241, -100), (*b"SI", 462, 150),
    (*b"SJ", 776, 237), (*b"SK", 487, 197), (*b"SL", 85, -118), (*b"SM", 439, 125), (*b"SN", 145, -145),
    (*b"SO", 52, 462), (*b"SR", 39, -560), (*b"SS", 69, 313), (*b"ST", 2, 66), (*b"SV", 138, -889),
    (*b"SX", 180, -631), (*b"SY", 348, 390), (*b"SZ", -265, 315), (*b"TC", 217, -718), (*b"TD", 155, 187),
    (*b"TF", -493, 693), (*b"TG", 86, 8), (*b"TH", 159, 1010), (*b"TJ", 389, 713), (*b"TK", -92, -1718),
    (*b"TL", -89, 1257), (*b"TM", 390, 596), (*b"TN", 339, 95), (*b"TO", -212, -1752), (*b"TR", 390, 352),
    (*b"TT", 107, -612), (*b"TV", -71, 1776), (*b"TW", 237, 1210), (*b"TZ", -64, 349), (*b"UA", 484, 312),
    (*b"UG", 14, 323), (*b"UM", 193, 1666), (*b"US", 371, -957), (*b"UY", -325, -558), (*b"UZ", 414, 646),
    (*b"VA", 419, 125), (*b"VC", 130, -613), (*b"VE", 64, -666), (*b"VG", 184, -646), (*b"VI", 183, -649),
    (*b"VN", 141, 1083), (*b"VU", -154, 1670), (*b"WF", -143, -1781), (*b"WS", -138, -1721), (*b"YE", 156, 485),
    (*b"YT", -128, 452), (*b"ZA", -306, 229), (*b"ZM", -131, 278), (*b"ZW", -190, 292),
];
