//! Error codes (RFC 9113, section 7).

use std::fmt;

/// Why a stream is reset, or a connection closed. Codes that the RFC does not define are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The name in the RFC, if there is one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// A graceful end.
    NO_ERROR = 0;
    /// The peer broke the protocol.
    PROTOCOL_ERROR = 1;
    /// A fault of this end.
    INTERNAL_ERROR = 2;
    /// The peer sent more than a window allows, or a window would overflow.
    FLOW_CONTROL_ERROR = 3;
    /// SETTINGS were not acknowledged in time.
    SETTINGS_TIMEOUT = 4;
    /// A frame on a stream that is closed.
    STREAM_CLOSED = 5;
    /// A frame of a length that its type cannot have.
    FRAME_SIZE_ERROR = 6;
    /// The call was not begun.
    REFUSED_STREAM = 7;
    /// The stream is not wanted any more.
    CANCEL = 8;
    /// The header compression cannot be continued.
    COMPRESSION_ERROR = 9;
    /// The connection of a CONNECT request failed.
    CONNECT_ERROR = 10;
    /// The peer costs too much.
    ENHANCE_YOUR_CALM = 11;
    /// The transport is not secure enough.
    INADEQUATE_SECURITY = 12;
    /// HTTP/1.1 is wanted.
    HTTP_1_1_REQUIRED = 13;
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {}", self.0),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
