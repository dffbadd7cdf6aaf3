//! The port to shared bytes, in memory: as Envoy's shared data behaves, for workers that take turns.

use greatcircle::shared::{Shared, Version};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Named byte strings with a version each.
#[derive(Default)]
pub(crate) struct Store {
    values: RefCell<BTreeMap<String, (Vec<u8>, Version)>>,
    swaps: Cell<Version>,
}

impl Store {
    /// The value whose key begins like this, whatever its format's version.
    pub(crate) fn find(&self, prefix: &str) -> Option<Vec<u8>> {
        self.values.borrow().iter().find(|(key, _)| key.starts_with(prefix)).map(|(_, (bytes, _))| bytes.clone())
    }

    /// Every key.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.values.borrow().keys().cloned().collect()
    }
}

impl Shared for Store {
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.values.borrow().get(key).cloned()
    }

    /// A value that does not exist is written unconditionally.
    fn compare_and_swap(&self, key: &str, expected: Option<Version>, bytes: &[u8]) -> bool {
        let current = self.values.borrow().get(key).map(|(_, version)| *version);
        let won = current.is_none() || expected.is_none() || current == expected;
        if won {
            self.swaps.set(self.swaps.get() + 1);
            self.values.borrow_mut().insert(key.to_owned(), (bytes.to_vec(), self.swaps.get()));
        }
        won
    }
}
