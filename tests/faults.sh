#!/usr/bin/env bash
# The fault matrix in full, on a release build: every fault for ten seconds, in each failure mode by itself, under a real
# Envoy; then what opens the breaker, a Redis that is stopped for ten minutes at 5000 decisions a second, and one that is
# stopped while every call is cancelled. Writes what it saw to docs/fault-matrix.md. About forty-five minutes on a machine with
# nothing else to do, as root (a row drops packets); `bash tests/run.sh` once before installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

report=docs/fault-matrix.md
run() { # TEST
    cargo test --quiet --release --locked --test redis "faults::$1" -- --nocapture
}
section() { # TITLE TEST
    printf '\n## %s\n\n```text\n' "$1"
    run "$2" | sed -nE 's/^\.*(figures: )/\1/p; /^ +[^ ]/p'
    printf '```\n'
}

export FAULTS_REDIS_TIMEOUT=100ms # the default
FAULTS_PAGE=$report.new run matrix::
{
    section "What opens the breaker" breaker::
    export SOAK_SECONDS=600 SOAK_RATE=5000
    section "Redis stopped for ten minutes" soak::
    export CANCEL_SECONDS=60 CANCEL_RATE=5000 RUST_TEST_THREADS=1
    section "Redis stopped for a minute, and every call cancelled after 20 ms" cancelled::
} | tee -a "$report.new"
mv "$report.new" "$report"
