//! Headers that are somebody else's: nothing of ours may be written under their names.

/// Headers that tell where a request ends, or where it came from: nothing of ours may remove them, either.
pub(super) const FRAMING: [&str; 7] =
    ["host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "x-forwarded-for"];

/// What such names begin with, whatever follows: of HTTP, of gRPC, of Envoy and Istio, of clouds and of tracing.
const FAMILIES: [&str; 15] = [
    "access-control-",
    "content-",
    "grpc-",
    "if-",
    "proxy-",
    "sec-",
    "x-amz-",
    "x-amzn-",
    "x-b3-",
    "x-datadog-",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-",
    "x-istio-",
    "x-ratelimit-",
];

/// IANA's registry of HTTP field names as of 2025, the obsolete ones too, without those of a family.
const REGISTERED: &str = "
    a-im accept accept-additions accept-ch accept-charset accept-datetime accept-encoding accept-features accept-language
    accept-patch accept-post accept-ranges accept-signature access-control activate-storage-access age allow alpn alt-svc
    alt-used alternates amp-cache-transform apply-to-redirect-ref authentication-control authentication-info authorization
    available-dictionary c-ext c-man c-opt c-pep c-pep-info cache-control cache-status cal-managed-id caldav-timezones
    capsule-protocol cdn-cache-control cdn-loop cert-not-after cert-not-before clear-site-data client-cert client-cert-chain
    close cmcd-object cmcd-request cmcd-session cmcd-status cmsd-dynamic cmsd-static concealed-auth-export configuration-context
    connection cookie cookie2 cross-origin-embedder-policy cross-origin-embedder-policy-report-only cross-origin-opener-policy
    cross-origin-opener-policy-report-only cross-origin-resource-policy cta-common-access-token dasl date dav default-style
    delta-base deprecation depth derived-from destination detached-jws dictionary-id differential-id digest dpop dpop-nonce
    early-data ediint-features etag expect expect-ct expires ext forwarded from getprofile hobareg host http2-settings if im
    include-referred-token-binding-id isolation keep-alive label last-event-id last-modified link link-template location
    lock-token man max-forwards memento-datetime meter method-check method-check-expires mime-version negotiate nel
    odata-entityid odata-isolation odata-maxversion odata-version opt optional-www-authenticate ordering-type origin
    origin-agent-cluster oscore oslc-core-version overwrite p3p pep pep-info permissions-policy pics-label ping-from ping-to
    position pragma prefer preference-applied priority profileobject protocol protocol-info protocol-query protocol-request
    public public-key-pins public-key-pins-report-only range redirect-ref referer referer-root referrer-policy refresh
    repeatability-client-id repeatability-first-sent repeatability-request-id repeatability-result replay-nonce
    reporting-endpoints repr-digest retry-after safe schedule-reply schedule-tag security-scheme server server-timing set-cookie
    set-cookie2 setprofile signature signature-input slug soapaction status-uri strict-transport-security sunset
    surrogate-capability surrogate-control tcn te timeout timing-allow-origin topic traceparent tracestate trailer
    transfer-encoding ttl upgrade urgency uri use-as-dictionary user-agent variant-vary vary via want-content-digest want-digest
    want-repr-digest warning www-authenticate x-content-type-options x-frame-options
";

/// In wide use, and not registered: of browsers, of proxies, of authentication, of tracing.
const UNREGISTERED: &str = "
    b3 dnt report-to true-client-ip upgrade-insecure-requests x-api-key x-auth-token x-client-ip x-client-trace-id
    x-correlation-id x-csrf-token x-http-method-override x-original-url x-ot-span-context x-real-ip x-request-id
    x-requested-with x-rewrite-url x-xsrf-token x-xss-protection
";

/// Whether HTTP, Envoy, authentication or tracing use a header of this name, which is lower-case.
pub(super) fn is_reserved(name: &str) -> bool {
    let mut names = REGISTERED.split_whitespace().chain(UNREGISTERED.split_whitespace()).chain(FRAMING);
    FAMILIES.iter().any(|family| name.starts_with(family)) || names.any(|reserved| reserved == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_reserved() {
        for name in [
            "authorization",
            "cookie",
            "set-cookie",
            "proxy-authorization",
            "www-authenticate",
            "host",
            "te",
            "trailer",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-forwarded-client-cert",
            "x-request-id",
            "x-real-ip",
            "x-envoy-original-path",
            "x-envoy-external-address",
            "x-envoy-internal",
            "traceparent",
            "x-b3-traceid",
            "b3",
            "content-type",
            "accept",
            "user-agent",
            "origin",
            "expect",
            "grpc-timeout",
            "sec-websocket-key",
            "keep-alive",
            "proxy-connection",
            "http2-settings",
            "access-control-allow-origin",
            "location",
            "server",
            "date",
            "via",
            "forwarded",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["x-greatcircle-region", "x-region", "region", "x-served-by-region", "x-envoy", "cookies", "", " "]
        {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn the_lists_are_in_order_and_each_name_has_one_place() {
        for list in [REGISTERED, UNREGISTERED] {
            let names: Vec<_> = list.split_whitespace().collect();
            assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
            let lower = |name: &&str| {
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            };
            assert!(
                names.iter().all(lower) && !names.iter().any(|name| FAMILIES.iter().any(|it| name.starts_with(it)))
            );
        }
    }
}
