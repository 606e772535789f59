//! SETTINGS (RFC 9113, section 6.5): ours, and those of the peer's that matter to a server.

use crate::{
    ErrorCode,
    frame::{self, kind},
    window::MAX_WINDOW,
};

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// The size of a dynamic table until SETTINGS change it (RFC 7541, section 4.2).
pub(crate) const DEFAULT_TABLE_SIZE: usize = 4096;

/// The size of every window until SETTINGS or WINDOW_UPDATE change it.
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;

/// The settings of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerSettings {
    /// The initial send window of each new stream.
    pub(crate) initial_window: u32,
    /// The longest payload that the peer accepts.
    pub(crate) max_frame: u32,
    /// The largest dynamic table that our encoder may use. The smallest value received is enough, because our encoder
    /// uses none.
    pub(crate) smallest_table: u32,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self { initial_window: DEFAULT_WINDOW, max_frame: 16_384, smallest_table: 4096 }
    }
}

impl PeerSettings {
    /// Applies the payload of a SETTINGS frame; its length must be a multiple of six.
    ///
    /// # Errors
    /// The code and reason of a connection error.
    pub(crate) fn apply(&mut self, payload: &[u8]) -> Result<(), (ErrorCode, &'static str)> {
        let (settings, _) = payload.as_chunks::<6>();
        for &[id0, id1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([id0, id1]) {
                HEADER_TABLE_SIZE => self.smallest_table = self.smallest_table.min(value),
                ENABLE_PUSH if value > 1 => {
                    return Err((ErrorCode::PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH is neither 0 nor 1"));
                }
                INITIAL_WINDOW_SIZE if i64::from(value) > MAX_WINDOW => {
                    return Err((ErrorCode::FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE is above 2^31-1"));
                }
                INITIAL_WINDOW_SIZE => self.initial_window = value,
                MAX_FRAME_SIZE if !(16_384..=16_777_215).contains(&value) => {
                    return Err((ErrorCode::PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE is not from 16384 to 2^24-1"));
                }
                MAX_FRAME_SIZE => self.max_frame = value,
                // ignored: how many streams we may open, because we open none; the size of lists, because ours are
                // small; and unknown settings
                _ => {}
            }
        }
        Ok(())
    }
}

/// Appends our SETTINGS.
pub(crate) fn put(max_streams: u32, stream_window: u32, max_field_list: u32, out: &mut Vec<u8>) {
    let settings = [
        (MAX_CONCURRENT_STREAMS, max_streams),
        (INITIAL_WINDOW_SIZE, stream_window),
        (MAX_HEADER_LIST_SIZE, max_field_list),
    ];
    frame::Head { length: settings.len() * 6, kind: kind::SETTINGS, flags: 0, stream: 0 }.put(out);
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(id: u16, value: u32) -> Vec<u8> {
        [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
    }

    #[test]
    fn the_last_value_wins_except_for_the_table_size() {
        let payload = [
            setting(INITIAL_WINDOW_SIZE, 1),
            setting(INITIAL_WINDOW_SIZE, 2),
            setting(HEADER_TABLE_SIZE, 0),
            setting(HEADER_TABLE_SIZE, 4096),
            setting(0xfefe, 9),
            setting(MAX_FRAME_SIZE, 20_000),
        ];
        let mut settings = PeerSettings::default();
        settings.apply(&payload.concat()).expect("valid");
        assert_eq!(settings, PeerSettings { initial_window: 2, max_frame: 20_000, smallest_table: 0 });
    }

    #[test]
    fn values_out_of_range_are_connection_errors() {
        for (id, value, code) in [
            (ENABLE_PUSH, 2, ErrorCode::PROTOCOL_ERROR),
            (INITIAL_WINDOW_SIZE, 1 << 31, ErrorCode::FLOW_CONTROL_ERROR),
            (MAX_FRAME_SIZE, 16_383, ErrorCode::PROTOCOL_ERROR),
            (MAX_FRAME_SIZE, 1 << 24, ErrorCode::PROTOCOL_ERROR),
        ] {
            let error = PeerSettings::default().apply(&setting(id, value)).expect_err("out of range");
            assert_eq!(error.0, code, "{id}: {value}");
        }
    }
}
