#!/usr/bin/env bash
# Measures the promised performance of Tollgate on an otherwise idle machine: the table of targets, what a fleet and
# calls of each shape cost a Redis, and the cost of growing numbers of rules, counters, descriptors and connections.
# Rewrites docs/performance/, which docs/performance.md explains. Takes about a quarter of an hour on two cores. Needs redis-server. Fails if a target is missed.
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --quiet --release --bin tollgate
mkdir -p docs/performance
# each fails if a target is missed; the others still run
missed=0
cargo run --quiet --release -p bench -- targets --save docs/performance/targets.json || missed=$?
cargo run --quiet --release -p bench -- fleet --save docs/performance/fleet.json || missed=$?
cargo run --quiet --release -p bench -- calls --save docs/performance/calls.json || missed=$?
cargo bench --quiet -p bench --bench scale || missed=$?
cargo run --quiet --release -p bench -- plot
exit $missed
