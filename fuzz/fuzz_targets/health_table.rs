//! The health table's bytes: shared data, into which anything else in the process may write as well.
#![no_main]

use greatcircle::health_table::HealthTable;
use greatcircle::time::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(table) = HealthTable::from_bytes(bytes) {
        // In 1970 no record is too old to be kept.
        assert_eq!(HealthTable::from_bytes(&table.to_bytes(Timestamp::default(), &|_| false)), Some(table));
    }
});
