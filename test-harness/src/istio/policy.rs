//! A DestinationRule's traffic policy, as settings of Envoy's cluster.

use super::api::{ConnectionPool, OutlierDetection, TrafficPolicy};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A subset's own policy stands before the rule's, block by block.
pub fn merged(rule: &TrafficPolicy, subset: &TrafficPolicy) -> TrafficPolicy {
    let (mut merged, subset) = (rule.clone(), subset.clone());
    merged.connection_pool = subset.connection_pool.or(merged.connection_pool);
    merged.outlier_detection = subset.outlier_detection.or(merged.outlier_detection);
    merged.load_balancer = subset.load_balancer.or(merged.load_balancer);
    merged
}

/// Puts the policy into a cluster.
///
/// # Errors
/// If it asks for a load balancer that is not imitated.
pub fn apply(policy: &TrafficPolicy, cluster: &mut Value) -> Result<()> {
    if let Some(pool) = &policy.connection_pool {
        apply_pool(pool, cluster)?;
    }
    if let Some(outlier) = &policy.outlier_detection {
        cluster["outlier_detection"] = outlier_detection(outlier)?;
        // A percentage of 0 switches panic routing off, which Envoy would begin at 50.
        cluster["common_lb_config"]["healthy_panic_threshold"] = json!({"value": outlier.min_health_percent});
    }
    let load_balancer = policy.load_balancer.as_ref();
    cluster["lb_policy"] = match load_balancer.and_then(|it| it.simple.as_deref()) {
        None | Some("UNSPECIFIED" | "LEAST_REQUEST" | "LEAST_CONN") => "LEAST_REQUEST".into(),
        Some(policy @ ("RANDOM" | "ROUND_ROBIN")) => policy.into(),
        Some(other) => bail!("the load balancer {other} is not imitated"),
    };
    let explicit =
        load_balancer.and_then(|it| it.locality_lb_setting.as_ref()).is_some_and(|it| !it.failover.is_empty());
    if explicit && policy.outlier_detection.is_some() {
        cluster["common_lb_config"]["locality_weighted_lb_config"] = json!({});
    }
    Ok(())
}

fn outlier_detection(from: &OutlierDetection) -> Result<Value> {
    let mut out = json!({"enforcing_success_rate": 0});
    let mut consecutive = |count: &str, enforcing: &str, given: Option<u32>| {
        if let Some(given) = given {
            out[count] = given.into();
            out[enforcing] = if given > 0 { 100 } else { 0 }.into();
        }
    };
    consecutive("consecutive_5xx", "enforcing_consecutive_5xx", from.consecutive_5xx_errors);
    let gateway = ("consecutive_gateway_failure", "enforcing_consecutive_gateway_failure");
    consecutive(gateway.0, gateway.1, from.consecutive_gateway_errors);
    if from.split_external_local_origin_errors {
        let local = ("consecutive_local_origin_failure", "enforcing_consecutive_local_origin_failure");
        consecutive(local.0, local.1, from.consecutive_local_origin_failures.filter(|failures| *failures > 0));
        out["split_external_local_origin_errors"] = true.into();
        out["enforcing_local_origin_success_rate"] = 0.into();
    }
    set(&mut out, "interval", seconds(from.interval.as_deref())?);
    set(&mut out, "base_ejection_time", seconds(from.base_ejection_time.as_deref())?);
    set(&mut out, "max_ejection_percent", from.max_ejection_percent.filter(|percent| *percent > 0));
    Ok(out)
}

fn apply_pool(pool: &ConnectionPool, cluster: &mut Value) -> Result<()> {
    set(cluster, "connect_timeout", seconds(pool.tcp.connect_timeout.as_deref())?);
    let threshold = &mut cluster["circuit_breakers"]["thresholds"][0];
    for (name, given) in [
        ("max_connections", pool.tcp.max_connections),
        ("max_requests", pool.http.http2_max_requests),
        ("max_pending_requests", pool.http.http1_max_pending_requests),
        ("max_retries", pool.http.max_retries),
    ] {
        set(threshold, name, given.filter(|number| *number > 0));
    }
    let common = &mut cluster["typed_extension_protocol_options"][HTTP_OPTIONS]["common_http_protocol_options"];
    *common = json!({});
    set(common, "idle_timeout", seconds(pool.http.idle_timeout.as_deref().or(pool.tcp.idle_timeout.as_deref()))?);
    set(common, "max_requests_per_connection", pool.http.max_requests_per_connection.filter(|number| *number > 0));
    Ok(())
}

/// Where a cluster says what it speaks.
pub(super) const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

fn set(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object[name] = value.into();
    }
}

/// Istio takes `250ms` and `3m`, Envoy's JSON only seconds.
pub(super) fn seconds(duration: Option<&str>) -> Result<Option<String>> {
    let Some(text) = duration else { return Ok(None) };
    let digits = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().with_context(|| format!("the duration {text}"))?;
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => bail!("the duration {text}: its unit is not imitated"),
    };
    Ok(Some(format!("{}s", number * unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_become_seconds() {
        for (istio, envoy) in [("250ms", "0.25s"), ("2s", "2s"), ("1.5s", "1.5s"), ("3m", "180s"), ("1h", "3600s")] {
            assert_eq!(seconds(Some(istio)).unwrap().as_deref(), Some(envoy));
        }
        assert!(seconds(Some("1m30s")).is_err());
    }

    #[test]
    fn what_a_rule_does_not_say_is_off_or_istio_s_default() {
        let outlier: OutlierDetection =
            serde_json::from_value(json!({"consecutive5xxErrors": 0, "interval": "5s"})).unwrap();
        let policy = TrafficPolicy { outlier_detection: Some(outlier), ..TrafficPolicy::default() };
        let mut cluster = json!({});
        apply(&policy, &mut cluster).unwrap();
        let expected = json!({
            "outlier_detection":
                {"enforcing_success_rate": 0, "consecutive_5xx": 0, "enforcing_consecutive_5xx": 0, "interval": "5s"},
            "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
            "lb_policy": "LEAST_REQUEST",
        });
        assert_eq!(cluster, expected);
    }
}
