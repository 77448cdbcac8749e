//! One HTTP/1.1 connection, played byte by byte.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    bound::within,
    h2_script::{End, ReceivedBody},
    hpack::Field,
    ledger::Ledger,
    message::{Received, header_map},
    socket::Socket,
};

/// An accepted HTTP/1.1 connection.
#[derive(Debug)]
pub struct H1Conn {
    socket: Socket,
    input: BytesMut,
    requests: u32,
    ledger: Ledger,
}

impl H1Conn {
    pub(crate) fn new(socket: Socket, ledger: Ledger) -> Self {
        Self { socket, input: BytesMut::new(), requests: 0, ledger }
    }

    /// The connection below.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The next request's head. Its body, if `end_stream` is false, waits for [`read_body`](Self::read_body).
    pub async fn request(&mut self) -> Received {
        within("the head of an HTTP/1.1 request", self.read_head()).await
    }

    /// The same, however long it takes to come; `None` if the client ends the connection before it.
    pub async fn next_request(&mut self) -> Option<Received> {
        if self.input.is_empty() && !matches!(self.socket.read_buf(&mut self.input).await, Ok(1..)) {
            return None;
        }
        Some(self.request().await)
    }

    /// The whole body of the request, by content-length or chunked.
    pub async fn read_body(&mut self, received: &Received) -> ReceivedBody {
        within(format!("the body of {} {}", received.method, received.path), self.read_framed(received)).await
    }

    /// The next `len` bytes of whatever comes: for a script that stops in the middle of a body.
    pub async fn read_exact(&mut self, len: usize) -> Bytes {
        within(format!("{len} bytes"), async {
            while self.input.len() < len {
                self.fill().await;
            }
            self.input.split_to(len).freeze()
        })
        .await
    }

    /// Enters in the ledger that the request was processed. Returns how often it has been by now.
    pub fn process(&self, received: &Received) -> u64 {
        self.ledger.processed(&received.id)
    }

    /// Writes bytes as they are.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if let Err(error) = self.try_write(bytes).await {
            panic!(
                "the script wanted to write {:?}, but the connection is gone: {error}",
                bytes.escape_ascii().to_string()
            );
        }
    }

    async fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        within("room to write", async {
            self.socket.write_all(bytes).await?;
            self.socket.flush().await
        })
        .await
    }

    /// A whole response with a content-length. The connection stays open.
    pub async fn respond(&mut self, status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        self.head(status, headers, body.len() as u64).await;
        self.write(body).await;
    }

    /// The same for a client that may be gone.
    ///
    /// # Errors
    ///
    /// If it is.
    pub async fn try_respond(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> io::Result<()> {
        let body = body.as_ref();
        self.try_write(head(status, headers, body.len() as u64).as_bytes()).await?;
        self.try_write(body).await
    }

    /// A head whose content-length promises a body; the script may break the promise.
    pub async fn head(&mut self, status: u16, headers: &[(&str, &str)], content_length: u64) {
        self.write(head(status, headers, content_length)).await;
    }

    /// Waits until the client ends the connection; what it sends before is thrown away.
    pub async fn until_closed(&mut self) -> End {
        within("the client to close", async {
            loop {
                self.input.clear();
                match self.socket.read_buf(&mut self.input).await {
                    Ok(0) => return End::Fin,
                    Ok(_) => {}
                    // rustls reports a FIN without close_notify in this way.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return End::Fin,
                    Err(_) => return End::Reset,
                }
            }
        })
        .await
    }

    /// Ends our side with FIN and waits until the client has ended its own.
    pub async fn close(mut self) {
        let _ = self.socket.shutdown().await;
        self.until_closed().await;
    }

    /// Ends the connection with RST.
    pub fn abort(self) {
        self.socket.abort();
    }

    async fn read_head(&mut self) -> Received {
        let request_line = self.line().await;
        let mut words = request_line.split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1")) = (words.next(), words.next(), words.next()) else {
            panic!("not an HTTP/1.1 request line: {request_line:?}");
        };
        let mut fields = vec![field(":method", method), field(":path", target)];
        let headers = self.header_lines().await;
        if let Some((_, host)) = headers.iter().find(|(name, _)| name == "host") {
            fields.push((Bytes::from_static(b":authority"), host.clone()));
        }
        fields.extend(headers);
        self.requests += 1;
        let mut received = Received::new(self.requests, fields, true).expect("a well-formed head");
        received.end_stream = framing(&received) == Framing::None || received.method == Method::CONNECT;
        self.ledger.arrived(&received.id);
        received
    }

    async fn read_framed(&mut self, received: &Received) -> ReceivedBody {
        match framing(received) {
            Framing::None => ReceivedBody::default(),
            Framing::Length(len) => {
                while self.input.len() < len {
                    self.fill().await;
                }
                ReceivedBody { data: self.input.split_to(len).freeze(), ..Default::default() }
            }
            Framing::Chunked => {
                let mut data = BytesMut::new();
                loop {
                    let line = self.line().await;
                    let size = line.split(';').next().unwrap_or_default().trim();
                    let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("not a chunk size: {line:?}"));
                    if size == 0 {
                        let trailers = header_map(self.header_lines().await).expect("well-formed trailers");
                        return ReceivedBody { data: data.freeze(), trailers };
                    }
                    while self.input.len() < size + 2 {
                        self.fill().await;
                    }
                    data.extend_from_slice(&self.input.split_to(size));
                    self.input.advance(2);
                }
            }
        }
    }

    async fn header_lines(&mut self) -> Vec<Field> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await;
            if line.is_empty() {
                return fields;
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("not a header: {line:?}"));
            fields.push(field(&name.to_ascii_lowercase(), value.trim()));
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.input.split_to(end);
                self.input.advance(2);
                return String::from_utf8_lossy(&line).into_owned();
            }
            self.fill().await;
        }
    }

    async fn fill(&mut self) {
        let read = self.socket.read_buf(&mut self.input).await;
        let so_far = || self.input.escape_ascii().to_string();
        match read {
            Ok(0) => panic!("the client closed within a message, after {:?}", so_far()),
            Ok(_) => {}
            Err(error) => panic!("the connection broke within a message ({error}), after {:?}", so_far()),
        }
    }
}

fn head(status: u16, headers: &[(&str, &str)], content_length: u64) -> String {
    let mut head = format!("HTTP/1.1 {status} \r\ncontent-length: {content_length}\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head
}

fn field(name: &str, value: &str) -> Field {
    (Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(value.as_bytes()))
}

/// How a request's body is delimited (RFC 9112, 6.3).
#[derive(PartialEq, Eq)]
enum Framing {
    None,
    Length(usize),
    Chunked,
}

fn framing(received: &Received) -> Framing {
    let header = |name| received.headers.get(name).and_then(|value| value.to_str().ok());
    if header("transfer-encoding").is_some_and(|value| value.ends_with("chunked")) {
        return Framing::Chunked;
    }
    match header("content-length").map(str::parse) {
        None | Some(Ok(0)) => Framing::None,
        Some(len) => Framing::Length(len.expect("a content-length that is a number")),
    }
}
