#!/usr/bin/env bash
# Brings envoy/docker-compose.yaml up, kills a region and brings it back, and takes everything down again, however it ends.
#
# `./build.sh compose-test` runs it, and sees to what it needs: dist/greatcircle.wasm, target/envoy/envoy, docker, compose, curl.
# An engine that answers is used. Where none does, root starts one that leaves nothing behind: its data under target/, no
# firewall rules, no bridge of its own. Where the file's image cannot be had, one of that name is made from target/envoy/envoy,
# for this test only.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

readonly FILE=envoy/docker-compose.yaml
readonly PROJECT=greatcircle-test-$$
readonly DATA=target/docker
readonly PATIENCE=60 # seconds until something that takes a while is given up
SCRATCH='' ENGINE='' OWN_IMAGE='' GATEWAY='' GATEWAY_WITH_LOOKUP='' COMPOSE=()

say() { printf '== %s\n' "$*" >&2; }
loud() { printf '\n!!! %s\n' "$@" >&2; }
die() {
    printf 'compose-test: %s\n' "$*" >&2
    exit 1
}
# A status of its own, the one that test runners have for "skipped": no failure, and certainly no success.
not_tested() { # WHY
    loud "NOT TESTED: $FILE. $1"
    exit 77
}

compose() { "${COMPOSE[@]}" --project-name "$PROJECT" --file "$FILE" "$@"; }

quietly() { # COMMAND…
    "$@" >"$SCRATCH/output" 2>&1 || { cat "$SCRATCH/output" >&2 && die "failed: $*"; }
}

# --- The engine -------------------------------------------------------------------------------------------------------

find_compose() {
    if docker compose version >/dev/null 2>&1; then
        COMPOSE=(docker compose)
    elif command -v docker-compose >/dev/null; then
        COMPOSE=(docker-compose)
    else
        not_tested "There is no docker compose."
    fi
}

find_engine() {
    command -v docker >/dev/null || not_tested "There is no docker."
    if docker info >/dev/null 2>&1; then
        say "The docker engine that is running"
        return
    fi
    [[ -z ${DOCKER_HOST:-} ]] || not_tested "No docker engine answers at DOCKER_HOST=$DOCKER_HOST."
    ((EUID == 0)) || not_tested "No docker engine answers, and only root can start one."
    command -v dockerd >/dev/null || not_tested "No docker engine answers, and there is no dockerd to start."
    start_engine
}

# Ports are published by docker's own proxy: that needs no firewall rules, and so no kernel modules for them. The socket is not
# under target/, because a socket's path may not be long.
start_engine() {
    say "A docker engine of our own, its data in $DATA"
    mkdir -p "$DATA"
    printf '{}\n' >"$SCRATCH/daemon.json" # not what /etc has for an engine of this machine
    setsid dockerd --config-file "$SCRATCH/daemon.json" --host "unix://$SCRATCH/docker.sock" --data-root "$PWD/$DATA" \
        --exec-root "$SCRATCH/run" --pidfile "$SCRATCH/docker.pid" --bridge none \
        --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false >target/docker.log 2>&1 &
    ENGINE=$!
    export DOCKER_HOST=unix://$SCRATCH/docker.sock
    local deadline=$((SECONDS + PATIENCE))
    until docker info >/dev/null 2>&1; do
        kill -0 "$ENGINE" 2>/dev/null || not_tested "dockerd does not run here: $(tail -n 1 target/docker.log)"
        ((SECONDS < deadline)) || not_tested "dockerd does not answer; target/docker.log may say why."
        sleep 0.2
    done
}

stop_engine() {
    kill "$ENGINE" 2>/dev/null || true
    wait "$ENGINE" || true
    rm -rf -- "$DATA"
}

# --- The image --------------------------------------------------------------------------------------------------------

find_image() {
    local image
    image=$(sed -nE 's/^ +image: (envoyproxy.*)$/\1/p' "$FILE" | sort -u)
    [[ $(wc -l <<<"$image") == 1 ]] || die "$FILE names more than one Envoy image: $image"
    if docker image inspect "$image" >/dev/null 2>&1; then
        say "Image $image: already here"
    elif timeout 300 docker pull --quiet "$image" >/dev/null 2>"$SCRATCH/pull.log"; then
        say "Image $image: pulled"
    else
        loud "NOT the registry's $image ($(tail -n 1 "$SCRATCH/pull.log")): one of that name is made from target/envoy/envoy"
        make_image "$image"
    fi
}

# Envoy, and what else the file runs in its containers, with the libraries of this machine.
make_image() { # NAME
    local root=$SCRATCH/root program real libraries
    for program in target/envoy/envoy sh sed; do
        real=$(realpath "$(command -v "$program")")
        install -D "$real" "$root/bin/$(basename "$program")"
        mapfile -t libraries < <(ldd "$real" | grep -oE '/[^ ]+')
        cp --dereference --parents "${libraries[@]}" "$root"
    done
    tar --create --directory "$root" . | docker import - "$1" >/dev/null
    OWN_IMAGE=$1
    rm -rf -- "$root"
}

# --- The world --------------------------------------------------------------------------------------------------------

# Prints the status, the region that the filter chose, and what answered: each region answers with its name.
ask() { # ADDRESS HEADER…
    local address=$1 arguments=() header
    shift
    for header in "$@"; do arguments+=(--header "$header"); done
    curl --silent --include --max-time 10 "${arguments[@]}" "http://$address/" | tr -d '\r' |
        awk 'NR == 1 { status = $2 } $1 == "x-served-by-region:" { chosen = $2 } END { print status, chosen, $0 }' || true
}

from_suva() { ask "$GATEWAY" 'x-geo-latitude: -18.14' 'x-geo-longitude: 178.44' "$@"; }

# Asks until the answer is the expected one. With `always`, every answer before has to be a good one too.
expect() { # WHAT EXPECTED always|eventually COMMAND…
    local what=$1 expected=$2 until=$3 deadline=$((SECONDS + PATIENCE)) answer
    shift 3
    while answer=$("$@") && [[ $answer != "$expected" ]]; do
        [[ $until == eventually || $answer == "200 "* ]] || die "$what: a request was lost, the answer was '$answer'"
        ((SECONDS < deadline)) || die "$what: expected '$expected', the last answer was '$answer'"
        sleep 0.1
    done
    say "$what: $answer"
}

nearest() {
    expect 'Suva, nearest' '200 oceania oceania' eventually from_suva
    expect 'Geneva, nearest' '200 eu-central eu-central' always ask "$GATEWAY" 'x-geo-latitude: 46.20' 'x-geo-longitude: 6.14'
    expect 'New York, nearest' '200 us-east us-east' always ask "$GATEWAY" 'x-geo-latitude: 40.71' 'x-geo-longitude: -74.01'
    expect 'Suva, with a routing header of its own' '200 oceania oceania' always from_suva 'x-greatcircle-region: us-west'
}

lookup() {
    expect 'Suva, looked up' '200 oceania oceania' eventually ask "$GATEWAY_WITH_LOOKUP" 'x-forwarded-for: 8.8.8.77'
    expect 'Geneva, looked up' '200 eu-central eu-central' always ask "$GATEWAY_WITH_LOOKUP" 'x-forwarded-for: 8.8.4.77'
    expect 'nowhere known' '200 eu-west eu-west' always ask "$GATEWAY_WITH_LOOKUP" 'x-forwarded-for: 1.1.1.77'
}

failover() {
    quietly compose kill oceania
    expect 'Suva, after the death of oceania' '200 ap-northeast ap-northeast' always from_suva
    quietly compose start oceania
    expect 'Suva, after its return' '200 oceania oceania' always from_suva
}

# --- Down, always -----------------------------------------------------------------------------------------------------

take_down() {
    local status=$? left
    trap - EXIT
    trap '' INT TERM
    set +e
    if ((${#COMPOSE[@]})) && docker info >/dev/null 2>&1; then
        ((status == 0)) || compose logs --no-color --tail 5 >&2
        compose down --timeout 5 >"$SCRATCH/output" 2>&1 || { cat "$SCRATCH/output" >&2 && status=1; }
        left=$(docker ps --all --quiet --filter "label=com.docker.compose.project=$PROJECT")
        [[ -z $left ]] || { loud "STILL THERE: containers $left" && status=1; }
        [[ -z $OWN_IMAGE ]] || docker rmi "$OWN_IMAGE" >/dev/null
    fi
    [[ -z $ENGINE ]] || stop_engine
    rm -rf -- "$SCRATCH"
    exit "$status"
}

main() {
    SCRATCH=$(mktemp -d)
    trap take_down EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    find_engine
    find_compose
    find_image
    export GREATCIRCLE_PORT=${GREATCIRCLE_PORT-} GREATCIRCLE_LOOKUP_PORT='' GREATCIRCLE_PROMETHEUS_PORT='' # any free ones
    quietly compose up --detach
    GATEWAY=$(compose port edge 10080)
    GATEWAY_WITH_LOOKUP=$(compose port edge 10081)
    nearest
    lookup
    failover
    say "$FILE: all right"
}

main "$@"
