# shellcheck shell=bash
# What has to be on this machine before anything is touched: all that is missing or too old is named at once.
# Knows nothing of regions.

PROBLEMS=()

declare -rA VERSION_COMMAND=(
    [docker]="docker version --format '{{.Server.Version}}'" # the daemon's, so that a sleeping daemon is noticed
    [kind]='kind version'
    [kubectl]='kubectl version --client'
    [istioctl]='istioctl version --remote=false'
    [helm]='helm version --short'
    [openssl]='openssl version'
    [curl]='curl --version'
)

version_of() { # TOOL: the first version in what it says, or nothing
    eval "${VERSION_COMMAND[$1]}" 2>/dev/null | grep -oE '[0-9]+[.][0-9]+[.][0-9]+' | head -n 1 || true
}

at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; } # VERSION MINIMUM

# Adds to PROBLEMS, if there is one.
check_tool() { # TOOL at-least|exactly VERSION WHERE-TO-GET-IT
    local wanted="${2/-/ } $3 is needed: $4" version
    if ! command -v "$1" >/dev/null; then
        PROBLEMS+=("$1 is missing; $wanted")
        return
    fi
    say "${VERSION_COMMAND[$1]}"
    version=$(version_of "$1")
    if [[ -z $version ]]; then
        PROBLEMS+=("$1 is there, but does not tell its version; $wanted")
    elif [[ $2 == exactly && $version != "$3" ]] || ! at_least "$version" "$3"; then
        PROBLEMS+=("$1 is $version; $wanted")
    fi
}

# The kubelet of Kubernetes 1.35 does not start under cgroup v1 (its failCgroupV1, true by default); docker knows where nodes will
# be. If it does not answer, check_tool has said so.
check_cgroups() {
    local command="docker info --format '{{.CgroupVersion}}'"
    say "$command"
    [[ $(eval "$command" 2>/dev/null) != 1 ]] ||
        PROBLEMS+=("docker runs its containers under cgroup v1, and Kubernetes takes v2 only: a newer distribution, or systemd.unified_cgroup_hierarchy=1 on the kernel's command line")
}

# What kind's known issues ask for. Said and no more: few nodes may do with less, and docker's machine may be another one.
check_inotify() {
    local name
    local -rA minimum=([max_user_instances]=512 [max_user_watches]=524288)
    for name in max_user_instances max_user_watches; do
        local file=/proc/sys/fs/inotify/$name
        [[ ! -r $file ]] || (($(<"$file") >= minimum[$name])) || say "platform.sh: fs.inotify.$name is $(<"$file"), and many \
nodes need more: sudo sysctl fs.inotify.$name=${minimum[$name]}" >&2
    done
}

check_prerequisites() { # TOOL…, and `cgroups` and `inotify`
    local wanted
    [[ -z $DRY_RUN ]] || return 0
    say "# Prerequisites"
    for wanted in "$@"; do
        case $wanted in
        docker) check_tool docker at-least "$DOCKER_MINIMUM" 'https://docs.docker.com/engine/install/, and its daemon has to run' ;;
        kind) check_tool kind at-least "$KIND_VERSION" 'https://kind.sigs.k8s.io/docs/user/quick-start/' ;;
        kubectl) check_tool kubectl at-least "$KUBECTL_MINIMUM" 'https://kubernetes.io/docs/tasks/tools/' ;;
        # It installs its own version.
        istioctl) check_tool istioctl exactly "$ISTIO_VERSION" 'https://istio.io/latest/docs/setup/getting-started/' ;;
        helm) check_tool helm at-least "$HELM_MINIMUM" 'https://helm.sh/docs/intro/install/' ;;
        openssl) check_tool openssl at-least "$OPENSSL_MINIMUM" 'your distribution has it' ;;
        curl) check_tool curl at-least "$CURL_MINIMUM" 'your distribution has it' ;;
        cgroups) check_cgroups ;;
        inotify) check_inotify ;;
        esac
    done
    ((${#PROBLEMS[@]})) || return 0
    printf 'platform.sh: %s\n' "${PROBLEMS[@]}" >&2
    die "nothing was touched. The versions are those of istio/platform/versions.env"
}
