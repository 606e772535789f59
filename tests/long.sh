#!/usr/bin/env bash
# Tests that take too long for every change: the flood of ten million keys, properties with fifty times the cases, a
# hundred thousand sets of patterns, the calls to Redis for 100 000 decisions, large rule sets over xDS, fifty restarts
# behind Envoy, starts on a busy machine, a log that is not read, attacks, replies of Redis and HPACK blocks generated
# by a fuzzer, HTTP/2 and HPACK against other implementations, and the image's release build. Writes the results to
# docs/long-runs.md. Takes about an hour and three quarters on two cores. Needs valgrind and, for the fuzzer, a nightly
# toolchain and cargo-fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

report=docs/long-runs.md
section() { printf '\n## %s\n\n```text\n' "$1"; }
end() { printf '```\n'; }

command -v valgrind >/dev/null || { echo "valgrind is missing: install it" >&2; exit 1; }
cargo fuzz --version >/dev/null || { echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2; exit 1; }
cargo build --quiet --release --bin tollgate --examples
{
    printf '# Long runs\n\nThe last output of the sections of `bash tests/long.sh`, each of its own day. Times and rates are of a shared machine\nwith %s cores: read the ratios.\n' "$(nproc)"
    section "Ten million keys through a store of one million"
    cargo run --quiet --release --example flood
    end
    section "Properties, 10 000 cases each"
    PROPTEST_CASES=10000 cargo test --quiet --workspace --lib --test library --test store -- --nocapture propert model:: random_traces halves::both grpc::filter api::rls::decode 2>&1 |
        grep -E '^test result|^model:|^parity|^halves:'
    end
    section "Patterns with several *: 100 000 sets of rules and values against the definition and the former matching"
    PROPTEST_CASES=100000 cargo test --quiet --release -p rules --lib -- pattern::glob 2>&1 | grep -E '^test result'
    end
    section "The engine over Redis and over memory, 3000 sequences each"
    PROPTEST_CASES=3000 cargo test --quiet --test store -- --nocapture redis::halves:: 2>&1 |
        grep -aoE 'figures: .*|^test result.*'
    end
    section "Redis: calls per decision, faults, failover, resharding, four processes"
    TOLLGATE_TEST_DECISIONS=100000 cargo test --quiet --test store -- --nocapture redis:: fleet:: 2>&1 |
        grep -aoE '(figures|contract): .*|^test result.*'
    end
    section "Rules over xDS: changes under load, ten thousand domains, a million descriptors"
    TOLLGATE_TEST_XDS_CHANGES=1000 TOLLGATE_TEST_XDS_DOMAINS=10000 TOLLGATE_TEST_XDS_DESCRIPTORS=1000000 \
        cargo test --quiet --release --test service -- --nocapture --test-threads 1 xds::changes:: xds::scale:: 2>&1 |
        grep -aoE 'xds: .*|^test result.*'
    end
    section "Instructions of each part of a decision, and what changed since crates/bench/benches/instructions.txt was written"
    cargo bench --quiet -p bench --bench instructions
    end
    section "Fifty restarts behind Envoy under load, two Tollgates, one at a time"
    TOLLGATE_TEST_RESTARTS=50 cargo test --quiet --test envoy -- --nocapture restarts:: 2>&1 | sed -nE 's/^\.*(.*ratelimit\.error)/\1/p; /^test result/p'
    end
    section "The first fifty calls after each of 200 starts, beside six busy loops, with the default timeout"
    TOLLGATE_TEST_STARTS=200 TOLLGATE_TEST_BUSY=6 TOLLGATE_TEST_STARTS_TIMEOUT=100ms \
        cargo test --quiet --release --test redis service::starts:: -- --nocapture --test-threads 1 2>&1 |
        grep -aoE 'starts, .*|^test result.*'
    end
    section "A log that nobody reads for a minute, under load and bad reloads"
    TOLLGATE_TEST_UNREAD_SECONDS=60 cargo test --quiet --release --test service -- --nocapture unread_log 2>&1 |
        grep -aoE 'log unread .*|^test result.*'
    end
    section "Attacks of eight seconds each, and of 32 if they are slow, beside two callers, at the usual level of the log"
    TOLLGATE_TEST_FLOOD_SECONDS=8 cargo test --quiet --release --test http2 attacks:: -- --nocapture --test-threads 1 2>&1 |
        grep -aoE 'attack, .*|^test result.*'
    end
    section "Replies of Redis, made up by libFuzzer for ten minutes"
    cargo +nightly fuzz run --fuzz-dir tests/fuzz redis_replies -- -max_total_time=600 -max_len=8192 -rss_limit_mb=512 \
        -dict=tests/fuzz/redis_replies.dict -print_final_stats=1 2>&1 | grep -E '^stat::|^Done|ERROR'
    end
    section "Blocks of HPACK, made up by libFuzzer for ten minutes, against loona-hpack"
    cargo +nightly fuzz run --fuzz-dir tests/fuzz hpack -- -max_total_time=600 -max_len=4096 -rss_limit_mb=512 \
        -print_final_stats=1 2>&1 | grep -E '^stat::|^Done|ERROR'
    end
    section "Frames, made up by libFuzzer for ten minutes, on a connection of crates/wire"
    cargo +nightly fuzz run --fuzz-dir tests/fuzz wire -- -max_total_time=600 -max_len=4096 -rss_limit_mb=512 \
        -print_final_stats=1 2>&1 | grep -E '^stat::|^Done|ERROR'
    end
    section "The state machine of crates/wire: properties, 10 000 cases each"
    PROPTEST_CASES=10000 cargo test --quiet --release -p wire --test http2 -- machine::properties 2>&1 | grep -E '^test result'
    end
    section "Calls, heads and frames at random, against hyper and grpc-go, 5000 connections each"
    PROPTEST_CASES=5000 cargo test --quiet --test http2 -- --nocapture oracle:: 2>&1 | grep -aoE 'oracle: .*|^test result.*'
    end
    section "HPACK against loona-hpack, httlib-hpack and Go, 100 000 connections each"
    PROPTEST_CASES=100000 cargo test --quiet --release -p wire --test hpack -- --nocapture 2>&1 |
        grep -aoE 'hpack: .*|^test result.*'
    end
    section "The image, step by step, from nothing"
    python3 tests/image.py --full 2>/dev/null | grep -E '^Rust|^the image|^it serves'
    end
} | tee "$report.new"
mv "$report.new" "$report"
