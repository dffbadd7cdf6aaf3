//! A block that is there once for all regions, and again in a region that differs in some fields.

use super::reader::{Node, Object};

/// A region's own block in front of the one for all regions.
#[derive(Clone, Copy)]
pub(super) struct Layers<'a, 'j> {
    pub(super) own: Option<&'a Object<'j>>,
    pub(super) shared: Option<&'a Object<'j>>,
}

impl<'j> Layers<'_, 'j> {
    /// The value of a key: the region's own, or else the shared one.
    pub(super) fn get(&self, key: &'static str) -> Option<Node<'j>> {
        // Both are asked in any case: asking is what makes a key a known one.
        let [own, shared] = [self.own, self.shared].map(|layer| layer.and_then(|object| object.get(key)));
        own.or(shared)
    }
}
