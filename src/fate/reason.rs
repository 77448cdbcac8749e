use std::fmt;

/// An HTTP/2 error code, as RST_STREAM and GOAWAY carry it (RFC 9113, section 7).
///
/// A type of this crate's own, so that no version of `h2` shows in its interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(u32);

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        impl Reason {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// The registered name of the code, where it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    /// Not an error: a graceful shutdown, or an early end.
    NO_ERROR = 0x0,
    /// The peer saw a protocol error that has no code of its own.
    PROTOCOL_ERROR = 0x1,
    /// The peer met an internal error.
    INTERNAL_ERROR = 0x2,
    /// A flow-control limit was exceeded.
    FLOW_CONTROL_ERROR = 0x3,
    /// SETTINGS were not acknowledged in time.
    SETTINGS_TIMEOUT = 0x4,
    /// A frame came for a stream that was half-closed.
    STREAM_CLOSED = 0x5,
    /// A frame had a size that is not allowed.
    FRAME_SIZE_ERROR = 0x6,
    /// The stream was refused before any processing (RFC 9113, section 8.7).
    REFUSED_STREAM = 0x7,
    /// The stream is no longer needed.
    CANCEL = 0x8,
    /// The field section compression state was lost.
    COMPRESSION_ERROR = 0x9,
    /// The connection behind a CONNECT request was reset or closed abnormally.
    CONNECT_ERROR = 0xa,
    /// The peer finds that this endpoint causes excessive load.
    ENHANCE_YOUR_CALM = 0xb,
    /// The transport's security does not meet the minimum.
    INADEQUATE_SECURITY = 0xc,
    /// The endpoint requires HTTP/1.1.
    HTTP_1_1_REQUIRED = 0xd,
}

impl Reason {
    /// The reason with this code, registered or not.
    #[must_use]
    pub const fn from_code(code: u32) -> Self {
        Self(code)
    }

    /// The code as it stands in the frame.
    #[must_use]
    pub const fn code(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:x}", self.0),
        }
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_its_code_and_its_name() {
        assert_eq!((Reason::CANCEL.code(), Reason::from_code(8)), (8, Reason::CANCEL));
        assert_eq!(Reason::from_code(0x1f4).to_string(), "0x1f4");
        assert_eq!(format!("{:?}", Reason::REFUSED_STREAM), "REFUSED_STREAM");
        #[cfg(feature = "serde")]
        assert_eq!(serde_json::to_string(&Reason::CANCEL).unwrap(), "\"CANCEL\"");
    }
}
