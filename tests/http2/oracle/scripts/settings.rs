//! SETTINGS of every identifier, and their effect on calls.

use crate::{
    oracle::script::{Script, good, open},
    rig::{initial_window, window_update},
};
use testkit::frames::{ACK, SETTINGS, frame};

pub fn scripts() -> Vec<Script> {
    [values(), frames(), windows()].concat()
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn values() -> Vec<Script> {
    let cases: [(&str, u16, &[u32]); 8] = [
        ("HEADER_TABLE_SIZE", 1, &[0, 1, 100, 4096, 65_536, u32::MAX]),
        ("ENABLE_PUSH", 2, &[0, 1, 2]),
        ("MAX_CONCURRENT_STREAMS", 3, &[0, 1, u32::MAX]),
        ("INITIAL_WINDOW_SIZE", 4, &[65_535, 0x7fff_ffff, 0x8000_0000, u32::MAX]),
        ("MAX_FRAME_SIZE", 5, &[0, 16_383, 16_384, 0x00ff_ffff, 0x0100_0000]),
        ("MAX_HEADER_LIST_SIZE", 6, &[0, 1, 100, u32::MAX]),
        ("ENABLE_CONNECT_PROTOCOL", 8, &[0, 1, 2]),
        ("an unknown setting", 0xfefe, &[0, u32::MAX]),
    ];
    let script = |name: &str, id: u16, value: u32| {
        Script::new(format!("{name} of {value}"), [setting(id, value), good(1), good(3)].concat()).and([3])
    };
    cases.iter().flat_map(|(name, id, values)| values.iter().map(move |value| script(name, *id, *value))).collect()
}

fn frames() -> Vec<Script> {
    let about = |name: &str, bytes: Vec<u8>| Script::about_the_connection(format!("SETTINGS {name}"), bytes);
    vec![
        about("of five octets", frame(SETTINGS, 0, 0, &[0; 5])),
        about("of seven octets", frame(SETTINGS, 0, 0, &[0xff; 7])),
        about("on a stream", frame(SETTINGS, 0, 1, &[])),
        about("acknowledged with a payload", frame(SETTINGS, ACK, 0, &[0xff; 6])),
        about("acknowledged twice", frame(SETTINGS, ACK, 0, &[])),
        about("acknowledged on a stream", frame(SETTINGS, ACK, 1, &[])),
        about("that are empty", frame(SETTINGS, 0, 0, &[])),
        about("twice the same", frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0])),
        about("with flags that are not known", frame(SETTINGS, 0xfe, 0, &[])),
        about("with a good and a bad value", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9, 0, 2, 0, 0, 0, 7])),
    ]
}

/// The call after a script needs a window too.
fn windows() -> Vec<Script> {
    let back = initial_window(65_535);
    let with = |name: &str, parts: &[Vec<u8>]| Script::new(name, parts.concat());
    let opened = open(1, &crate::oracle::script::fields());
    vec![
        with("a window of 0 that is opened by SETTINGS", &[initial_window(0), good(1), back.clone()]),
        with(
            "a window of 0 that is opened by WINDOW_UPDATE",
            &[initial_window(0), good(1), window_update(1, 65_535), back.clone()],
        ),
        with(
            "a window of 1 that grows by 1",
            &[initial_window(1), good(1), (0..100).flat_map(|_| window_update(1, 1)).collect(), back.clone()],
        ),
        with(
            "SETTINGS that overflow a stream's window",
            &[opened.clone(), window_update(1, 0x7fff_ffff - 65_535), initial_window(65_536)],
        ),
        with(
            "SETTINGS that make a window negative",
            &[good(3), initial_window(0), good(1), initial_window(10), initial_window(0), back],
        )
        .and([3]),
    ]
}
