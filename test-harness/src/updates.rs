//! Changes to a world's configuration while its Envoy runs: the filter's (ECDS) and listeners (LDS).

use crate::bootstrap::FILTER;
use crate::discovery::{filter_resource, listener_resource};
use crate::eventually::eventually;
use crate::patch::merge;
use crate::world::{Dynamic, World};
use serde_json::Value;

/// Where Envoy counts the deliveries of listeners.
const LDS: &str = "listener_manager.lds";

impl World {
    /// The filter's configuration, as it was delivered last.
    pub fn configuration(&self) -> Value {
        self.lock().configuration.clone()
    }

    /// Merges `patch` into the filter's configuration and delivers it. Returns at once: see [`World::filter_updates`].
    ///
    /// # Panics
    /// If the world was planned without [`Plan::ecds`](crate::plan::Plan::ecds).
    #[track_caller]
    pub fn update_filter(&self, patch: Value) {
        let mut configuration = self.lock().configuration.clone();
        merge(&mut configuration, &patch);
        self.update_filter_text(&configuration.to_string());
        self.lock().configuration = configuration;
    }

    /// Delivers this text as the filter's configuration, whatever it is.
    ///
    /// # Panics
    /// If the world was planned without [`Plan::ecds`](crate::plan::Plan::ecds).
    #[track_caller]
    pub fn update_filter_text(&self, configuration: &str) {
        let mut filter = self.lock().filter.clone().expect("a world planned with ecds()");
        filter["typed_config"]["config"]["configuration"]["value"] = configuration.into();
        self.filters.publish(&[filter_resource(filter)]).expect("the filter's file");
    }

    /// How many configurations of the filter Envoy has accepted and refused since it started.
    #[track_caller]
    pub fn filter_updates(&self) -> (u64, u64) {
        let stats = self.envoy.stats("extension_config_discovery.http_filter.");
        let sum = |what: &str| {
            stats.iter().filter(|(name, _)| name.ends_with(&format!("{FILTER}.{what}"))).map(|(_, n)| n).sum()
        };
        (sum("config_reload"), sum("config_fail"))
    }

    /// [`World::update_filter`], and waits until Envoy has accepted it.
    #[track_caller]
    pub fn apply_filter(&self, patch: Value) {
        let (accepted, refused) = self.filter_updates();
        self.update_filter(patch);
        eventually("the update of the filter", || self.filter_updates() != (accepted, refused));
        assert_eq!(self.filter_updates().1, refused, "refused: {}", self.envoy.complaints(5));
    }

    /// Adds a listener whose filter's configuration differs by `patch` from the gateway's, as it was planned, and waits until
    /// it listens.
    #[track_caller]
    pub fn add_listener(&self, name: &str, patch: Value) {
        self.add_listener_of(FILTER, name, patch);
    }

    /// [`World::add_listener`] with another name for the plugin.
    #[track_caller]
    pub fn add_listener_of(&self, plugin: &str, name: &str, patch: Value) {
        let listener = self.bootstrap.listener(name, plugin, &patch).expect("a listener like the gateway's");
        self.publish_listeners(|listeners| listeners.push(listener_resource(listener)));
        self.address_of(name);
    }

    /// Replaces a listener in place by one whose filter's configuration differs by `patch` from the gateway's, as it was planned, and
    /// waits until Envoy has accepted it. Connections to the old one last as long as [`Plan::drain`](crate::plan::Plan::drain) says.
    ///
    /// # Panics
    /// If the listener is neither the gateway's of a world that was planned with [`Plan::lds`](crate::plan::Plan::lds), nor added.
    #[track_caller]
    pub fn apply_listener(&self, name: &str, patch: Value) {
        let listener = self.bootstrap.listener(name, FILTER, &patch).expect("a listener like the gateway's");
        let updates = || ["update_success", "update_rejected"].map(|what| self.envoy.stat(&format!("{LDS}.{what}")));
        let before = updates();
        self.publish_listeners(|listeners| {
            let old = listeners.iter_mut().find(|listener| listener["name"] == name);
            *old.expect("a listener that is delivered") = listener_resource(listener);
        });
        eventually(&format!("the update of listener {name}"), || updates() != before);
        assert_eq!(updates()[1], before[1], "refused: {}", self.envoy.complaints(5));
    }

    /// Removes a listener of [`World::add_listener`] and waits until Envoy has let go of it.
    #[track_caller]
    pub fn remove_listener(&self, name: &str) {
        self.publish_listeners(|listeners| listeners.retain(|listener| listener["name"] != name));
        eventually(&format!("the end of listener {name}"), || self.envoy.listener(name).is_none());
        self.eventually_drained();
    }

    /// Waits until Envoy has let go of every listener that was removed or replaced.
    #[track_caller]
    pub fn eventually_drained(&self) {
        let draining = ["total_listeners_draining", "total_filter_chains_draining"];
        eventually("the end of old listeners", || {
            draining.iter().all(|gauge| self.envoy.stat(&format!("listener_manager.{gauge}")) == Some(0))
        });
    }

    #[track_caller]
    fn publish_listeners(&self, change: impl FnOnce(&mut Vec<Value>)) {
        let mut dynamic = self.lock();
        change(&mut dynamic.listeners);
        self.listeners.publish(&dynamic.listeners).expect("the listeners' file");
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Dynamic> {
        self.dynamic.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
