//! Any bytes in place of Redis's replies, in chunks of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let [chunk, bytes @ ..] = input {
        redis::read_replies(bytes, usize::from(*chunk));
    }
});
