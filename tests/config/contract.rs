//! Every field of the configuration contract: the one list that files, messages and documentation are held against.

/// `[]` stands for every item of a list. What a field of `health` is, it also is within a region's own `health`.
const FIELDS: &str = "
    localRegion
    regions
    regions[].name
    regions[].latitude
    regions[].longitude
    regions[].state
    regions[].weight
    regions[].bias
    regions[].priority
    regions[].capacity
    regions[].health
    health
    health.cluster
    health.authority
    health.method
    health.path
    health.headers
    health.expectedStatuses
    health.expectedBody
    health.interval
    health.edgeInterval
    health.timeout
    health.downAfter
    health.clearAfter
    health.upAfter
    health.unknownIs
    health.staleAfter
    health.targets
    health.minUp
    health.slowStart
    health.quorum
    health.passive
    health.passive.enabled
    health.passive.failures
    health.passive.within
    health.passive.statuses
    health.passive.ejectFor
    overrides
    clientLocation
    clientLocation.preset
    clientLocation.headers
    clientLocation.headers.latitude
    clientLocation.headers.longitude
    clientLocation.headers.position
    clientLocation.headers.edgescape
    clientLocation.countryHeader
    clientLocation.trust
    clientLocation.trust.any
    clientLocation.trust.peers
    clientLocation.trust.header
    clientLocation.trust.equals
    clientLocation.networks
    clientLocation.networks[].cidr
    clientLocation.networks[].latitude
    clientLocation.networks[].longitude
    clientLocation.networks[].country
    clientLocation.lookup
    clientLocation.lookup.cluster
    clientLocation.lookup.authority
    clientLocation.lookup.path
    clientLocation.lookup.headers
    clientLocation.lookup.timeout
    clientLocation.lookup.location
    clientLocation.lookup.latitude
    clientLocation.lookup.longitude
    clientLocation.lookup.country
    clientLocation.lookup.address
    clientLocation.lookup.cache
    clientLocation.lookup.cache.entries
    clientLocation.lookup.cache.ttl
    clientLocation.lookup.cache.negativeTtl
    clientLocation.lookup.cache.prefixV4
    clientLocation.lookup.cache.prefixV6
    clientLocation.lookup.budget
    clientLocation.lookup.budget.worker
    clientLocation.lookup.budget.worker.burst
    clientLocation.lookup.budget.worker.every
    clientLocation.lookup.budget.network
    clientLocation.lookup.budget.network.burst
    clientLocation.lookup.budget.network.every
    clientLocation.fallback
    clientLocation.fallback.latitude
    clientLocation.fallback.longitude
    steering
    steering.mode
    steering.rankBy
    steering.action
    steering.tieBand
    steering.tieBand.percent
    steering.tieBand.km
    steering.localPreference
    steering.localPreference.km
    steering.fences
    steering.fences[].countries
    steering.fences[].regions
    steering.fences[].otherwise
    steering.fences[].rejectStatus
    steering.sticky
    steering.sticky.cookie
    steering.sticky.ttl
    steering.sticky.secret
    steering.whenAllDown
    steering.whenAllDown.region
    policies
    status
    output
    output.regionHeader
    output.decisionHeader
    output.responseHeader
";

/// The path of every field.
pub(crate) fn fields() -> Vec<&'static str> {
    FIELDS.split_whitespace().collect()
}

/// The keys that the object at this path may have; the document itself is `configuration`.
pub(crate) fn keys(object: &str) -> Vec<&'static str> {
    let inside = |field: &&'static str| match field.rsplit_once('.') {
        Some((parent, _)) => parent == object,
        None => object == "configuration",
    };
    fields().into_iter().filter(inside).map(|field| field.rsplit('.').next().unwrap_or(field)).collect()
}
