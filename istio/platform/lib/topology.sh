# shellcheck shell=bash
# Which regions there are, where they lie, and every name and number that follows from that. Runs nothing.

# Region, latitude, longitude: the twelve of envoy/envoy.yaml.
KNOWN_REGIONS='
eu-west       53.35    -6.26
eu-central    50.11     8.68
eu-north      59.33    18.07
us-east       39.04   -77.49
us-west       45.52  -122.68
sa-east      -23.55   -46.63
af-south     -33.92    18.42
me-central    25.20    55.27
ap-south      19.08    72.88
ap-southeast   1.35   103.82
ap-northeast  35.68   139.69
oceania      -33.87   151.21
'
DEFAULT_REGIONS='eu-west us-east'
MOST_REGIONS=9 # pod subnets are 10.10.0.0/16 to 10.90.0.0/16

# Sets REGION_LIST and ZONE_LIST: as asked for, as they were at the last `up`, or the default.
choose_regions() {
    local remembered_regions='' remembered_zones=''
    [[ ! -s $STATE/regions ]] || { read -r remembered_regions && read -r remembered_zones; } <"$STATE/regions"
    read -ra REGION_LIST <<<"${REGIONS:-${remembered_regions:-$DEFAULT_REGIONS}}"
    read -ra ZONE_LIST <<<"${ZONES:-${remembered_zones:-a b}}"
    check_regions
}

check_regions() {
    local region zone
    ((${#REGION_LIST[@]} <= MOST_REGIONS)) || die "at most $MOST_REGIONS regions, not ${#REGION_LIST[@]}"
    ((${#ZONE_LIST[@]} <= MOST_REGIONS)) || die "at most $MOST_REGIONS zones in a region, not ${#ZONE_LIST[@]}"
    for region in "${REGION_LIST[@]}"; do
        [[ -n $(coordinates "$region") ]] || die "no such region: '$region'. lib/topology.sh knows $(known_regions), and takes more"
    done
    for zone in "${ZONE_LIST[@]}"; do
        [[ $zone =~ ^[a-z]$ ]] || die "a zone is one letter from a to z, not '$zone'"
    done
    [[ -z $(printf '%s\n' "${REGION_LIST[@]}" | sort | uniq -d) ]] || die "a region is named twice: ${REGION_LIST[*]}"
    [[ -z $(printf '%s\n' "${ZONE_LIST[@]}" | sort | uniq -d) ]] || die "a zone is named twice: ${ZONE_LIST[*]}"
}

known_regions() { awk 'NF { printf "%s%s", separator, $1; separator = ", " }' <<<"$KNOWN_REGIONS"; }

coordinates() { awk -v region="$1" '$1 == region { print $2, $3 }' <<<"$KNOWN_REGIONS"; } # REGION

index_of() { # REGION: 1 for the first
    local index
    for index in "${!REGION_LIST[@]}"; do
        [[ ${REGION_LIST[index]} != "$1" ]] || printf '%d' "$((index + 1))"
    done
}

pod_subnet() { printf '10.%d0.0.0/16' "$(index_of "$1")"; }       # REGION
service_subnet() { printf '10.255.%d0.0/24' "$(index_of "$1")"; } # REGION

# Ten addresses for each region at the end of docker's network, whose first two bytes only docker knows: see find_network.
address() { printf '%s.255.%d%d' "\$KIND_NET" "$(index_of "$1")" "$2"; } # REGION LAST-DIGIT
ingress_address() { address "$1" 0; }                                    # REGION
east_west_address() { address "$1" 1; }                                  # REGION
address_pool() { printf '%s-%s' "$(address "$1" 0)" "$(address "$1" 9)"; } # REGION

zone_name() { printf '%s-1%s' "$1" "$2"; } # REGION LETTER

zones_of() { # REGION
    local letter
    for letter in "${ZONE_LIST[@]}"; do printf '%s\n' "$(zone_name "$1" "$letter")"; done
}

# One worker for each zone, in this order. kind calls them NAME-worker, NAME-worker2, NAME-worker3 …
node_of() { # REGION NUMBER: the number of the zone, 1 for the first
    if (($2 == 1)); then printf '%s-worker' "$1"; else printf '%s-worker%d' "$1" "$2"; fi
}

nodes_of() { # REGION
    local number
    printf '%s-control-plane\n' "$1"
    for number in "${!ZONE_LIST[@]}"; do printf '%s\n' "$(node_of "$1" "$((number + 1))")"; done
}

require_region() { # NAME
    [[ -n $(index_of "$1") ]] || die "no region '$1' here, but ${REGION_LIST[*]}"
}

# The node that is the zone.
node_of_zone() { # ZONE
    local region number zones all=()
    for region in "${REGION_LIST[@]}"; do
        mapfile -t zones < <(zones_of "$region")
        all+=("${zones[@]}")
        for number in "${!zones[@]}"; do
            [[ ${zones[number]} != "$1" ]] || { node_of "$region" "$((number + 1))" && return; }
        done
    done
    die "no zone '$1' here, but ${all[*]}"
}
