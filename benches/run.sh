#!/usr/bin/env bash
# Measures what is promised of Tollgate's speed, on a machine with nothing else to do: the table of targets, and what grows with
# rules, counters, descriptors and connections. Writes docs/performance/, of which docs/performance.md tells. About a quarter
# of an hour on two cores. Needs redis-server.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --release --bin tollgate
mkdir -p docs/performance
# it fails if a target is missed; the rest is worth knowing all the same
targets=0
target/release/tollgate bench targets --save docs/performance/targets.json || targets=$?
cargo bench --quiet --bench scale
cargo run --quiet --release --example plot_scale
exit $targets
