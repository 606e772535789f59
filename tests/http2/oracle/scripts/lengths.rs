//! `content-length`, right and wrong.

use crate::oracle::script::{Script, block, call, headers, message, more, open, pair, with};
use testkit::frames::END_STREAM;

pub fn scripts() -> Vec<Script> {
    let length = message().len();
    let texts = |name: &str, values: &[String]| {
        let mut all = crate::oracle::script::fields();
        all.extend(values.iter().map(|value| pair(("content-length", value))));
        Script::new(format!("content-length {name}"), call(1, &all))
    };
    let number = |name: &str, value: usize| texts(name, &[value.to_string()]);
    let alone = |name: &str, value: &str| {
        let block = block(&with("content-length", value));
        Script::new(format!("content-length {name} and no DATA"), headers(1, END_STREAM, &block))
    };
    let late = |name: &str, announced: usize| {
        let open = open(1, &with("content-length", announced.to_string()));
        let trailers = headers(1, END_STREAM, &block(&[pair(("x", "y"))]));
        Script::new(format!("content-length {name}, and trailers"), [open, more(1, &message()), trailers].concat())
    };
    vec![
        number("of the message", length),
        number("one less than the message", length - 1),
        number("one more than the message", length + 1),
        number("0, and a message", 0),
        texts("with zeros before it", &[format!("000{length}")]),
        texts("twice the same", &[length.to_string(), length.to_string()]),
        texts("two different ones", &[length.to_string(), "7".to_owned()]),
        texts("in a list", &[format!("{length}, {length}")]),
        texts("negative", &["-1".to_owned()]),
        texts("with a sign", &[format!("+{length}")]),
        texts("with a blank", &[format!("{length} ")]),
        texts("no number", &["x".to_owned()]),
        texts("empty", &[String::new()]),
        texts("above 64 bits", &["99999999999999999999".to_owned()]),
        texts("of 63 bits", &["9223372036854775807".to_owned()]),
        texts("of 64 bits", &["18446744073709551615".to_owned()]),
        alone("0", "0"),
        alone("5", "5"),
        alone("no number", "x"),
        late("of the message", length),
        late("one more than the message", length + 1),
        late("one less than the message", length - 1),
    ]
}
