#!/usr/bin/env bash
# Measures what is promised of Tollgate's speed, on a machine with nothing else to do: the table of targets, and what grows with
# rules, counters, descriptors and connections. Writes docs/performance/ anew, of which docs/performance.md tells. About ten
# minutes on two cores. Needs redis-server. Fails if a target is missed.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --release --bin tollgate
mkdir -p docs/performance
# each fails if a target is missed; the rest is worth knowing all the same
missed=0
target/release/tollgate bench targets --save docs/performance/targets.json || missed=$?
cargo bench --quiet --bench scale || missed=$?
cargo run --quiet --release --example plot_scale
exit $missed
