//! When and how often a request is tried again.

use super::api::Retries;
use super::policy::seconds;
use anyhow::Result;
use serde_json::{Value, json};

const DEFAULT_RETRY_ON: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

/// Nothing said: twice, on another host, and no status is a reason. No attempts: none.
///
/// # Errors
/// If a duration is not one.
pub fn retry_policy(retries: Option<&Retries>) -> Result<Option<Value>> {
    let previous_hosts = json!([{
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
    }]);
    let mut out = json!({
        "num_retries": 2,
        "retry_on": DEFAULT_RETRY_ON,
        "host_selection_retry_max_attempts": 5,
        "retry_host_predicate": previous_hosts,
    });
    let Some(given) = retries else { return Ok(Some(out)) };
    if given.attempts == 0 {
        return Ok(None);
    }
    out["num_retries"] = given.attempts.into();
    if !given.retry_on.is_empty() {
        let words = given.retry_on.split(',').map(str::trim).filter(|word| !word.is_empty());
        let (codes, mut words): (Vec<&str>, Vec<&str>) = words.partition(|word| word.parse::<u16>().is_ok());
        if !codes.is_empty() && !words.contains(&"retriable-status-codes") {
            words.push("retriable-status-codes");
        }
        out["retry_on"] = words.join(",").into();
        out["retriable_status_codes"] = codes.iter().filter_map(|code| code.parse::<u16>().ok()).collect();
    }
    if let Some(timeout) = seconds(given.per_try_timeout.as_deref())? {
        out["per_try_timeout"] = timeout.into();
    }
    if given.retry_ignore_previous_hosts == Some(false) {
        out["retry_host_predicate"] = json!([]);
    }
    if given.retry_remote_localities {
        out["retry_priority"] = json!({
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                "update_frequency": 2,
            },
        });
    }
    if let Some(backoff) = seconds(given.backoff.as_deref())? {
        out["retry_back_off"] = json!({"base_interval": backoff});
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_become_codes() {
        for (said, retry_on, codes) in [
            ("", DEFAULT_RETRY_ON, Value::Null),
            ("connect-failure, 503", "connect-failure,retriable-status-codes", json!([503])),
            ("503,retriable-status-codes", "retriable-status-codes", json!([503])),
            ("5xx", "5xx", json!([])),
        ] {
            let given = Retries { attempts: 1, retry_on: said.into(), ..Retries::default() };
            let policy = retry_policy(Some(&given)).unwrap().unwrap();
            assert_eq!((&policy["retry_on"], &policy["retriable_status_codes"]), (&json!(retry_on), &codes), "{said}");
        }
        assert_eq!(retry_policy(Some(&Retries::default())).unwrap(), None);
    }
}
