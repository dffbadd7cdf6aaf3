//! Telling a protobuf message from JSON that is only broken.
//!
//! Envoy unwraps a `StringValue` and a `BytesValue`; of every other message the filter gets the bytes as they are. What an
//! operator would naturally write instead of a `StringValue` is a `google.protobuf.Struct`.

/// Field 1, length-delimited: an entry of the map that a `Struct` consists of, and the key in an entry. It is also a line
/// feed, with which JSON may begin.
const FIELD_1: u8 = 0x0A;
/// Field 2, length-delimited: the value in an entry. A control character, which JSON has nowhere.
const FIELD_2: u8 = 0x12;

/// Whether these bytes begin like a `google.protobuf.Struct`: with an entry that fits into them and has a key and a value.
pub(super) fn looks_like_struct(bytes: &[u8]) -> bool {
    let Some((FIELD_1, rest)) = bytes.split_first().map(|(tag, rest)| (*tag, rest)) else { return false };
    let Some((length, entry)) = varint(rest) else { return false };
    // One byte is enough for the length of every key that a configuration has.
    let [FIELD_1, key_length, key_and_value @ ..] = entry else { return false };
    length <= entry.len() && key_and_value.get(usize::from(*key_length)) == Some(&FIELD_2)
}

/// A length of up to 28 bits in front of these bytes, and what follows it.
fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let last = bytes.iter().take(4).position(|byte| *byte < 0x80)?;
    let (digits, rest) = bytes.split_at_checked(last + 1)?;
    let length = digits.iter().rev().fold(0, |length, digit| (length << 7) | usize::from(digit & 0x7F));
    Some((length, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_is_told_from_broken_json() {
        let entry = |length: &[u8], rest: &[u8]| [&[0x0A], length, rest].concat();
        let long = [&b"\x0A\x01a\x12\xC5\x01\x1A\xC2\x01"[..], &[b'x'; 194]].concat(); // a text of 194 bytes
        for (what, bytes, expected) in [
            ("{a: false}", entry(&[7], b"\x0A\x01a\x12\x02\x20\x00"), true),
            ("{a: false}, and a second entry", entry(&[7], b"\x0A\x01a\x12\x02\x20\x00\x0A\x07\x0A"), true),
            ("a length of two bytes", entry(&[0xCB, 0x01], &long), true),
            ("cut off", entry(&[0xCB, 0x01], &long[..100]), false),
            ("an entry without a value", entry(&[3], b"\x0A\x01a"), false),
            ("a length without an end", entry(&[0xFF; 9], b"\x0A\x01a\x12"), false),
            ("a line feed", vec![0x0A], false),
            ("nothing", Vec::new(), false),
            ("JSON after a line feed", b"\n{\n\t\"regions\": [],\n".repeat(20), false),
            ("a UInt32Value", b"\x08\x05".to_vec(), false),
        ] {
            assert_eq!(looks_like_struct(&bytes), expected, "{what}");
        }
    }
}
