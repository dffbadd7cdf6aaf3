//! What a configuration depends on beside its own text: the gateway that reads it.

/// What the gateway says of itself.
#[derive(Clone, Copy)]
pub struct Gateway<'a> {
    /// The regions that it may be in, the most certain first: the first of them that the configuration has is the local one.
    pub regions: &'a [String],
    /// The value of an environment variable, if it is set.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Gateway<'static> {
    /// A gateway that says nothing.
    pub const UNKNOWN: Self = Self { regions: &[], variable: &|_| None };
}
