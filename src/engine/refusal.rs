//! What follows from a configuration that is refused.
//!
//! As a rule the host refuses it, too: Envoy then keeps the one before. But where the filter is discovered, as in Istio, a gateway
//! that starts with a wrong configuration has none before, and answers 500 to everybody. An operator who would rather have requests
//! pass unsteered then says so in the VM's environment.

use super::event::Event;
use super::succession::Succession;
use crate::config::{Gateway, Output, Problem};
use crate::own_headers::OwnHeaders;
use crate::shared::Shared;

/// The variable that says what becomes of a wrong configuration: `refuse`, which is the default, or `pass`.
const VARIABLE: &str = "GREATCIRCLE_INVALID_CONFIG";

/// A configuration was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// What to tell.
    pub event: Event,
    /// If requests are to pass unsteered: what has to be removed from each, because nobody has decided.
    pub pass_without: Option<OwnHeaders>,
}

impl Refusal {
    pub(super) fn new(
        json: &[u8],
        problems: Vec<Problem>,
        gateway: Gateway<'_>,
        plugin: &str,
        shared: &dyn Shared,
    ) -> Self {
        let pass = (gateway.variable)(VARIABLE).is_some_and(|wish| wish == "pass");
        let pass_without =
            (pass && !Succession::is_begun(plugin, shared)).then(|| OwnHeaders::banned(Output::names_in(json)));
        Self { event: Event::Rejected(problems), pass_without }
    }
}
