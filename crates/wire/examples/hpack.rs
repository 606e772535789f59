//! Measures how long the decoder takes for the header blocks that Envoy sends for consecutive calls.
//!
//! `cargo run --release -p wire --example hpack`

use std::hint::black_box;
use std::time::{Duration, Instant};

use httlib_hpack::Encoder;
use wire::hpack::{Decoder, Header};

const FIELDS: [(&str, &str); 12] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"),
    (":authority", "ratelimit.default.svc.cluster.local"),
    ("te", "trailers"),
    ("grpc-timeout", "20m"),
    ("content-type", "application/grpc"),
    ("x-envoy-internal", "true"),
    ("x-forwarded-for", "10.244.0.17"),
    ("x-envoy-expected-rq-timeout-ms", "20"),
    ("x-b3-sampled", "0"),
    ("user-agent", "envoy"),
];

/// The blocks of consecutive calls. The fields in `changing` have another value in each call, and are indexed or not.
fn blocks(count: u64, changing: &[&str], way: u8) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::with_dynamic_size(4096);
    let mut encode = |name: &str, value: &str, way: u8, block: &mut Vec<u8>| {
        let flags = Encoder::BEST_FORMAT | Encoder::HUFFMAN_NAME | Encoder::HUFFMAN_VALUE | way;
        encoder.encode((name.as_bytes().to_vec(), value.as_bytes().to_vec(), flags), block).expect("encoded");
    };
    let one = |call: u64| {
        let mut block = Vec::new();
        for (name, value) in FIELDS {
            encode(name, value, Encoder::WITH_INDEXING, &mut block);
        }
        for name in changing {
            let id = call.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            encode(name, &format!("00-{id:016x}{:016x}-{:016x}-01", id.rotate_left(17), !id), way, &mut block);
        }
        block
    };
    (0..count).map(one).collect()
}

/// The shortest average time per block, over many repetitions.
fn measure(blocks: &[Vec<u8>]) -> Duration {
    let mut scratch = Vec::new();
    let turn = |_| {
        let mut decoder = Decoder::new(4096);
        let start = Instant::now();
        for block in blocks {
            let (mut path, mut other) = (0, 0);
            let result = decoder.decode(black_box(block), &mut scratch, |field| match field.header {
                Header::Path => path = field.value.len(),
                header => other += header as usize + field.value.len(),
            });
            assert_eq!(black_box(result), Ok(()));
            black_box((path, other));
        }
        start.elapsed() / blocks.len() as u32
    };
    (0..300).map(turn).min().unwrap_or_default()
}

fn main() {
    for (what, changing, way) in [
        ("12 indexed fields", &[][..], 0),
        ("and a literal of 55 octets", &["traceparent"], 0),
        ("and a literal of 55 octets, inserted", &["traceparent"], Encoder::WITH_INDEXING),
        ("and two literals of 55 octets", &["traceparent", "x-request-id"], 0),
        ("and two literals of 55 octets, inserted", &["traceparent", "x-request-id"], Encoder::WITH_INDEXING),
    ] {
        let blocks = blocks(2000, changing, way);
        let octets = blocks.last().map_or(0, Vec::len);
        eprintln!("{what}: {octets} octets, {:?} a block", measure(&blocks));
    }
}
