#!/usr/bin/env bash
# A whole platform on this machine: regions as KIND clusters, zones as their nodes, one Istio mesh over all of them, and
# greatcircle at every ingress gateway. `istio/platform/platform.sh help` says what there is; README.md beside it explains.
set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
cd -- "$HERE/../.." # so that every printed command works from the root of the repository
readonly HERE
readonly STATE=target/platform # kubeconfig, certificates, downloads: nothing of it is in the user's home
DRY_RUN=''

# shellcheck source=/dev/null
source "$HERE/versions.env"
# shellcheck source=istio/platform/lib/run.sh
source "$HERE/lib/run.sh"
# shellcheck source=istio/platform/lib/topology.sh
source "$HERE/lib/topology.sh"
# shellcheck source=istio/platform/lib/prerequisites.sh
source "$HERE/lib/prerequisites.sh"
# shellcheck source=istio/platform/lib/certificates.sh
source "$HERE/lib/certificates.sh"
# shellcheck source=istio/platform/lib/clusters.sh
source "$HERE/lib/clusters.sh"
# shellcheck source=istio/platform/lib/mesh.sh
source "$HERE/lib/mesh.sh"
# shellcheck source=istio/platform/lib/workloads.sh
source "$HERE/lib/workloads.sh"
# shellcheck source=istio/platform/lib/faults.sh
source "$HERE/lib/faults.sh"

usage() {
    cat <<'TEXT'
usage: istio/platform/platform.sh [--dry-run] COMMAND

  up                 build what is missing; what is there stays
  status             nodes, gateway addresses, the service's pods and greatcircle's view of health, for each region
  kill-region NAME   a region goes dark (all nodes of its cluster), e.g. kill-region eu-west
  kill-zone NAME     a zone goes dark (its node), e.g. kill-zone us-east-1b
  heal               everything that went dark comes back
  down               remove clusters, registry, certificates, kubeconfig
  help               this text

  --dry-run          only print the commands: a script that does the same

Environment, remembered from one `up` to the `down`
  REGIONS   default "eu-west us-east"; e.g. REGIONS="eu-west us-east ap-south"
  ZONES     letters, default "a b": zones eu-west-1a and eu-west-1b
TEXT
}

begin() {
    [[ -z $DRY_RUN ]] || say '#!/usr/bin/env bash'
    run 'set -euo pipefail # from the root of the repository'
    run "export KUBECONFIG=$STATE/kubeconfig"
}

for_each_region() { # FUNCTION
    local region
    for region in "${REGION_LIST[@]}"; do "$1" "$region"; done
}

up() {
    step "What this platform consists of" "target/ has to be writable"
    run "mkdir -p $STATE"
    run "printf '%s\\n' '${REGION_LIST[*]}' '${ZONE_LIST[*]}' >$STATE/regions"
    make_root
    for_each_region make_intermediate
    make_shop_certificate
    download_metallb
    for_each_region create_cluster
    find_network
    for_each_region install_metallb
    start_registry
    for_each_region prepare_namespaces
    for_each_region install_authority
    for_each_region install_istio
    for_each_region install_east_west_gateway
    for_each_region install_ingress_gateway
    exchange_secrets
    for_each_region deploy_shop
    push_image
    write_values
    for_each_region apply_greatcircle
    say_how_to_try
}

main() {
    local words=() word wanted=(docker kind kubectl)
    for word in "$@"; do
        case $word in
        --dry-run) DRY_RUN=yes ;;
        -h | --help) words=(help) && break ;;
        -*) die "no such option: $word" ;;
        *) words+=("$word") ;;
        esac
    done
    case "${words[0]:-help} ${#words[@]}" in
    "up 1" | "status 1" | "heal 1" | "down 1" | "kill-region 2" | "kill-zone 2") ;;
    "help "*) usage && return ;;
    "up "* | "status "* | "heal "* | "down "*) die "${words[0]} takes no arguments" ;;
    "kill-region "* | "kill-zone "*) die "${words[0]} takes one name" ;;
    *) usage >&2 && die "no such command: ${words[0]}" ;;
    esac
    choose_regions
    trap report_failure EXIT
    [[ ${words[0]} != up ]] || wanted+=(istioctl helm openssl curl cgroups inotify)
    check_prerequisites "${wanted[@]}"
    begin
    case ${words[0]} in
    up) up ;;
    status) show_status ;;
    kill-region) kill_region "${words[1]}" ;;
    kill-zone) kill_zone "${words[1]}" ;;
    heal) heal ;;
    down) take_down ;;
    esac
    STEP=''
}

main "$@"
