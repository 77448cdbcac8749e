/// How this side of an HTTP/2 connection is set up.
///
/// No setting panics; those out of range are brought within what RFC 9113, section 6.5.2 allows.
///
/// # Default
///
/// hyper 1.12's (`proto/h2/client.rs`):
///
/// | setting | default |
/// |---|---|
/// | [`initial_stream_window_size`](Self::initial_stream_window_size) | 2 MiB |
/// | [`initial_connection_window_size`](Self::initial_connection_window_size) | 5 MiB |
/// | [`max_frame_size`](Self::max_frame_size) | 16 KiB |
/// | [`max_header_list_size`](Self::max_header_list_size) | 16 KiB |
/// | [`max_send_buffer_size`](Self::max_send_buffer_size) | 1 MiB |
/// | [`keep_unsent_bodies`](Self::keep_unsent_bodies) | `true` |
#[derive(Clone, Debug)]
#[must_use]
pub struct Http2Settings {
    stream_window: u32,
    connection_window: u32,
    frame: u32,
    header_list: u32,
    send_buffer: usize,
    pub(super) keep_unsent_bodies: bool,
}

/// The largest window there is (RFC 9113, section 6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            stream_window: 2 << 20,
            connection_window: 5 << 20,
            frame: 16 << 10,
            header_list: 16 << 10,
            send_buffer: 1 << 20,
            keep_unsent_bodies: true,
        }
    }
}

impl Http2Settings {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes of a response's body the peer may send before they are read.
    pub const fn initial_stream_window_size(mut self, bytes: u32) -> Self {
        self.stream_window = if bytes < MAX_WINDOW { bytes } else { MAX_WINDOW };
        self
    }

    /// How many bytes of all responses' bodies together the peer may send before they are read.
    pub const fn initial_connection_window_size(mut self, bytes: u32) -> Self {
        self.connection_window = if bytes < MAX_WINDOW { bytes } else { MAX_WINDOW };
        self
    }

    /// The largest frame that the peer may send, in bytes: 16 KiB to 16 MiB less one.
    pub fn max_frame_size(mut self, bytes: u32) -> Self {
        self.frame = bytes.clamp(1 << 14, (1 << 24) - 1);
        self
    }

    /// The most bytes of a response's head.
    pub const fn max_header_list_size(mut self, bytes: u32) -> Self {
        self.header_list = bytes;
        self
    }

    /// How many bytes of a request's body are taken from it before they are sent, at least one frame of it.
    pub fn max_send_buffer_size(mut self, bytes: usize) -> Self {
        self.send_buffer = bytes.clamp(1, u32::MAX as usize);
        self
    }

    /// Whether a request's body is asked for nothing before the request's head is on the wire.
    ///
    /// Then each request that was not sent is given back in [`Unsent`](super::Unsent), whatever its body. It costs a write for each
    /// request that has a body, and, on a transport with Nagle's algorithm, which TCP has on by default, up to 40 ms: set
    /// `TCP_NODELAY` (`HttpConnector::set_nodelay`).
    ///
    /// Without it, a request with a body is not given back if its connection ends in the moment between the two. Its error is
    /// [`NotSent`](crate::Fate::NotSent) all the same, and a [`ReplayBody`](crate::ReplayBody), as
    /// [`RetryOnCanceled`](crate::RetryOnCanceled) has it, can be sent again.
    pub const fn keep_unsent_bodies(mut self, keep: bool) -> Self {
        self.keep_unsent_bodies = keep;
        self
    }

    pub(super) fn builder(&self) -> h2::client::Builder {
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_max_send_streams(100)
            .initial_window_size(self.stream_window)
            .initial_connection_window_size(self.connection_window)
            .max_frame_size(self.frame)
            .max_header_list_size(self.header_list)
            .max_send_buffer_size(self.send_buffer);
        builder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_panics() {
        for (size, bytes) in [(0, 0), (u32::MAX, usize::MAX)] {
            let settings = Http2Settings::new()
                .initial_stream_window_size(size)
                .initial_connection_window_size(size)
                .max_frame_size(size)
                .max_header_list_size(size)
                .max_send_buffer_size(bytes);
            let _ = settings.builder();
        }
    }
}
