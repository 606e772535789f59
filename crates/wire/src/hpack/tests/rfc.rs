//! The examples of RFC 7541, appendix C.

use super::super::{put_field, put_status};
use super::{Decoder, table, text};

/// Parses octets in the RFC's notation.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// A block, its fields, and the table and its size afterwards.
type Example = (&'static str, &'static str, &'static str, usize);

fn check(max_size: usize, examples: &[Example]) {
    let mut decoder = Decoder::new(max_size);
    for (block, fields, entries, size) in examples {
        assert_eq!(text(&mut decoder, &hex(block)), *fields);
        assert_eq!(table(&decoder), ((*entries).to_owned(), *size));
    }
}

#[test]
fn c_2_representations() {
    let custom = "custom-key: custom-header\n";
    check(4096, &[("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", custom, custom, 55)]);
    check(4096, &[("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path\n", "", 0)]);
    check(4096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret\n", "", 0)]);
    check(4096, &[("82", ":method: GET\n", "", 0)]);
}

const FIRST: &str = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n";
const SECOND: &str = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n";
const THIRD: &str =
    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n";
const ENTRIES: [&str; 3] = [
    ":authority: www.example.com\n",
    "cache-control: no-cache\n:authority: www.example.com\n",
    "custom-key: custom-value\ncache-control: no-cache\n:authority: www.example.com\n",
];

#[test]
fn c_3_requests_without_huffman_coding() {
    check(
        4096,
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, ENTRIES[0], 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", SECOND, ENTRIES[1], 110),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", THIRD, ENTRIES[2], 164),
        ],
    );
}

#[test]
fn c_4_requests_with_huffman_coding() {
    check(
        4096,
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, ENTRIES[0], 57),
            ("8286 84be 5886 a8eb 1064 9cbf", SECOND, ENTRIES[1], 110),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD, ENTRIES[2], 164),
        ],
    );
}

const ANSWERS: [&str; 3] = [
    ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n",
    ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n",
    ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\n\
     content-encoding: gzip\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n",
];
const EVICTED: [&str; 3] = [
    "location: https://www.example.com\ndate: Mon, 21 Oct 2013 20:13:21 GMT\ncache-control: private\n:status: 302\n",
    ":status: 307\nlocation: https://www.example.com\ndate: Mon, 21 Oct 2013 20:13:21 GMT\ncache-control: private\n",
    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\ncontent-encoding: gzip\n\
     date: Mon, 21 Oct 2013 20:13:22 GMT\n",
];

#[test]
fn c_5_responses_without_huffman_coding() {
    let first =
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
        474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d";
    let third = "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
        7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
        3630 303b 2076 6572 7369 6f6e 3d31";
    check(
        256,
        &[
            (first, ANSWERS[0], EVICTED[0], 222),
            ("4803 3330 37c1 c0bf", ANSWERS[1], EVICTED[1], 222),
            (third, ANSWERS[2], EVICTED[2], 215),
        ],
    );
}

#[test]
fn c_6_responses_with_huffman_coding() {
    let first =
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
        63c7 8f0b 97c8 e9ae 82ae 43d3";
    let third =
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
        b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07";
    check(
        256,
        &[
            (first, ANSWERS[0], EVICTED[0], 222),
            ("4883 640e ffc1 c0bf", ANSWERS[1], EVICTED[1], 222),
            (third, ANSWERS[2], EVICTED[2], 215),
        ],
    );
}

#[test]
fn the_encoder_writes_the_same_representations_without_indexing() {
    let mut block = Vec::new();
    put_status(302, &mut block);
    put_status(200, &mut block);
    put_field(b"cache-control", b"private", &mut block);
    put_field(b"location", b"https://www.example.com", &mut block);
    put_field(b"accept-encoding", b"gzip, deflate", &mut block);
    put_field(b"custom-key", b"custom-value", &mut block);
    assert_eq!(
        block,
        hex("0882 6402 88 0f09 85ae c377 1a4b 0f1f 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3 90
            0088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf")
    );
}
