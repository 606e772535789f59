#!/usr/bin/env bash
# How close Tollgate with the memory store comes to a bare tonic handler on the same runtime shape: interleaved pairs of
# h2load runs (8 connections × 32 streams, one descriptor, one counter), and the ratio of each pair.
#   benches/against_bare_tonic.sh [PAIRS] [CALLS]
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-5} calls=${2:-300000} workers=$(nproc)

cargo build --quiet --release --bin tollgate --example bare_tonic
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT

cat >"$dir/rules.yaml" <<'YAML'
domain: bench
descriptors:
  - key: path
    rate_limit: {unit: year, requests_per_unit: 4000000000}
YAML
# RateLimitRequest{domain: "bench", descriptors: [{entries: [{key: "path", value: "/hot"}]}]} in a gRPC frame
printf '\0\0\0\0\27\12\5bench\22\16\12\14\12\4path\22\4/hot' >"$dir/request"

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ours=$(port) bare=$(port)
env -i GRPC_HOST=127.0.0.1 GRPC_PORT="$ours" HOST=127.0.0.1 PORT=0 DEBUG_HOST=127.0.0.1 DEBUG_PORT=0 \
    USE_PROMETHEUS=false WORKERS="$workers" target/release/tollgate --rules "$dir/rules.yaml" &
ours_pid=$!
target/release/examples/bare_tonic "$bare" "$workers" &
bare_pid=$!
for p in "$ours" "$bare"; do
    for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null && break; sleep 0.1; done
done

ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
run() { # PORT PID CALLS: calls a second, server CPU in microseconds a call
    local before after rate
    before=$(ticks "$2")
    h2load -n "$3" -c 8 -m 32 -t 1 -d "$dir/request" -H 'content-type: application/grpc' -H 'te: trailers' \
        "http://127.0.0.1:$1/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit" >"$dir/out"
    after=$(ticks "$2")
    grep -q " $3 succeeded, 0 failed" "$dir/out" || { cat "$dir/out" >&2; exit 1; }
    rate=$(sed -n 's/.*, \([0-9.]*\) req\/s.*/\1/p' "$dir/out")
    awk -v rate="$rate" -v cpu="$(((after - before) * 10000))" -v calls="$3" 'BEGIN {printf "%.0f %.2f\n", rate, cpu / calls}'
}
run "$bare" "$bare_pid" 50000 >/dev/null
run "$ours" "$ours_pid" 50000 >/dev/null
echo "calls/s and server CPU in µs per call"
for pair in $(seq "$pairs"); do
    read -r b bc <<<"$(run "$bare" "$bare_pid" "$calls")"
    read -r o oc <<<"$(run "$ours" "$ours_pid" "$calls")"
    awk -v p="$pair" -v b="$b" -v o="$o" -v bc="$bc" -v oc="$oc" \
        'BEGIN {printf "pair %d: bare tonic %d (%s µs)  tollgate %d (%s µs)  ratio %.3f  cpu ratio %.3f\n", p, b, bc, o, oc, o / b, oc / bc}'
done | tee "$dir/pairs"
sed 's/.*  ratio \([0-9.]*\).*/\1/' "$dir/pairs" | sort -n | awk '{r[NR] = $1} END {printf "median ratio %.3f\n", r[int((NR + 1) / 2)]}'
