//! Reading the code of a country.

use super::reader::Node;
use crate::client::country::Country;

/// Reads the code of a country.
pub(super) fn read(node: &Node<'_>) -> Option<Country> {
    let upper_case = |code: &str| code.bytes().all(|byte| byte.is_ascii_uppercase());
    let country = node.as_text().filter(|code| upper_case(code)).and_then(|code| Country::parse(code.as_bytes()));
    country.or_else(|| node.wrong("an ISO 3166-1 alpha-2 code in capitals such as \"DE\" or \"GB\""))
}
