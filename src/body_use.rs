/// What became of a request's body in one attempt.
///
/// It is evidence of its own: hyper 1.12 begins to poll a body only once the request's HEADERS were handed to an open
/// HTTP/2 stream, and the one place where it gives a false GOAWAY error is before that (`proto/h2/client.rs`, the second
/// `poll_ready` in `ClientTask`). A GOAWAY after the body was polled is therefore the server's word about the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyUse {
    /// Nobody asked the body for a frame. Every body that is empty from the start stays here.
    Untouched,
    /// The body was asked for frames in this attempt, by the client that sends it and by nobody before it.
    Polled,
    /// The body itself failed: its source gave an error.
    Failed,
}
