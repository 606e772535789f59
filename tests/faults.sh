#!/usr/bin/env bash
# The full fault matrix, on a release build: every fault for ten seconds, in each failure mode separately, behind a real
# Envoy; then what opens the breaker, a Redis that is stopped for ten minutes at 5000 decisions a second, and one that
# is stopped while every call is cancelled. Writes the results to docs/fault-matrix.md. Takes about forty-five minutes
# on an otherwise idle machine. Needs root (a row drops packets), and what `bash tests/run.sh` installs.
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
