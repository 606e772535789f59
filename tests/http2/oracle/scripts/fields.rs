//! Fields that nothing reads: their names, values, number and length.

use crate::oracle::script::{Script, call, pair, with};

pub fn scripts() -> Vec<Script> {
    [names(), values(), connection_specific(), large()].concat()
}

fn names() -> Vec<Script> {
    let mut all: Vec<_> =
        ["X-Upper", "x-uppeR", "", "x y", "x:y", " x", "x\u{e9}", "x\u{7f}", "x\u{0}", "x\"", "x(y)", "x/y", "x,y"]
            .map(|name| Script::new(format!("a field called {name:?}"), call(1, &with(name, "y"))))
            .to_vec();
    all.push(Script::new("a field called by all that a token may have", call(1, &with("!#$%&'*+-.^_`|~0a", "y"))));
    all
}

fn values() -> Vec<Script> {
    let values: [&[u8]; 14] = [
        b"", b" ", b" x", b"x ", b"\tx", b"x\t", b"x y", b"x\ty", b"x\0y", b"x\ny", b"x\ry", b"x\x01y", b"x\x7fy",
        b"caf\xe9",
    ];
    values
        .map(|value| Script::new(format!("a field of \"{}\"", value.escape_ascii()), call(1, &with("x", value))))
        .to_vec()
}

fn connection_specific() -> Vec<Script> {
    [
        ("connection", "close"),
        ("connection", "x"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ]
    .map(|(name, value)| Script::new(format!("{name}: {value}"), call(1, &with(name, value))))
    .to_vec()
}

fn large() -> Vec<Script> {
    let mut all: Vec<_> = [8_000, 16_000, 20_000, 100_000, 1_000_000]
        .map(|length| Script::new(format!("a field of {length} octets"), call(1, &with("x", "y".repeat(length)))))
        .to_vec();
    let many = |count: usize| {
        let mut many = with("x", "y");
        many.extend((0..count).map(|n| pair((&format!("x-{n}"), "y"))));
        Script::new(format!("{count} fields"), call(1, &many))
    };
    all.extend([100, 1000, 20_000].map(many));
    all.push(Script::new("a list above the bound", call(1, &with("x", "y".repeat(1_100_000)))));
    all.push(Script::new("a name of 1000 octets", call(1, &with(&"x".repeat(1000), "y"))));
    all.push(Script::new("a name of 70 000 octets", call(1, &with(&"x".repeat(70_000), "y"))));
    all
}
