//! A faulty server's connections, driven over sockets.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncWriteExt, ReadBuf},
    net::TcpListener,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_rustls::TlsAcceptor;

use super::{
    faults::Cut,
    faulty_conn::Conn,
    faulty_h1,
    faulty_server::{Command, Shared},
    socket::{Socket, Transport},
    wire::{Frame, PREFACE, reason},
};

/// Connections with more than this unwritten do not read on: nobody reads their answers.
const UNWRITTEN_LIMIT: usize = 4 << 20;

/// How much a connection reads at once.
const READ_SIZE: usize = 64 * 1024;

pub(super) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    acceptor: Option<TlsAcceptor>,
    http1: bool,
    commands: watch::Receiver<Option<Command>>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((tcp, _)) = accepted else {
                    // Out of file descriptors, say: until some connection ends there is nothing better to do.
                    tokio::task::yield_now().await;
                    continue;
                };
                let (shared, acceptor, mut commands) = (shared.clone(), acceptor.clone(), commands.clone());
                // A command concerns the connections that were open when it was given.
                commands.mark_unchanged();
                connections.spawn(async move {
                    let _open = Open::new(shared.clone());
                    let clear = http1 && acceptor.is_none();
                    let http1_in_the_clear = clear && !faulty_h1::begins_with_preface(&tcp).await.unwrap_or(true);
                    let Ok(socket) = Socket::establish(tcp, acceptor.as_ref()).await else { return };
                    if http1_in_the_clear || (http1 && faulty_h1::left_by_alpn(&socket)) {
                        tokio::select! {
                            () = faulty_h1::serve(socket, shared) => {}
                            // It has no GOAWAY, and is cut with all others.
                            Ok(()) = commands.changed() => {}
                        }
                    } else {
                        let _ = serve(socket, Conn::new(shared), commands).await;
                    }
                });
            }
            // A set that is never emptied keeps every task that has ended.
            Some(ended) = connections.join_next() => {
                if let Err(panic) = ended.map_err(tokio::task::JoinError::try_into_panic) {
                    let what = panic.map_or("a connection was cancelled", |_| "a connection's task panicked");
                    shared.violations.lock().unwrap().push(what.to_owned());
                }
            }
        }
    }
}

/// Counts a connection as open for as long as it lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.counts.connections.fetch_add(1, Ordering::Relaxed);
        shared.counts.open_connections.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counts.open_connections.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) async fn serve<T: Transport>(
    mut socket: T,
    mut conn: Conn,
    mut commands: watch::Receiver<Option<Command>>,
) -> io::Result<()> {
    let mut input = BytesMut::with_capacity(READ_SIZE);
    let mut scratch = vec![0; READ_SIZE];
    let mut preface = false;
    let mut unflushed = false;
    let mut shut = false;
    let mut timer = pin!(sleep_until(Instant::now()));
    loop {
        preface = preface || skip_preface(&mut input, &mut conn);
        if preface {
            read_frames(&mut input, &mut conn);
        }
        conn.settle();
        if !shut && conn.out.is_empty() && !unflushed {
            match conn.ending() {
                None => {}
                Some(Cut::Rst) => {
                    socket.abort();
                    return Ok(());
                }
                Some(Cut::Fin) => {
                    // From here on only read, until the client closes too: closing a socket with unread bytes sends
                    // RST, which would take back what we have just sent.
                    socket.shutdown().await?;
                    shut = true;
                }
            }
        }
        let due = conn.next_timer();
        if let Some(due) = due.filter(|due| *due != timer.deadline()) {
            timer.as_mut().reset(due);
        }
        let turn = poll_fn(|cx| turn(&mut socket, &mut conn, &mut unflushed, &mut scratch, cx));
        tokio::select! {
            biased;
            read = turn => match read? {
                Turn::Read(0) => return Ok(()),
                Turn::Read(len) => input.extend_from_slice(&scratch[..len]),
                Turn::Wrote => {}
            },
            () = &mut timer, if due.is_some() => {}
            changed = commands.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                match commands.borrow_and_update().clone() {
                    Some(Command::GoAway(goaway)) => conn.go_away(goaway),
                    Some(Command::Cut(how)) => conn.finish(how),
                    None => {}
                }
            }
        }
    }
}

fn skip_preface(input: &mut BytesMut, conn: &mut Conn) -> bool {
    if input.len() < PREFACE.len() {
        return false;
    }
    if !input.starts_with(PREFACE) {
        conn.violation(reason::PROTOCOL_ERROR, format!("not HTTP/2: {}", input[..PREFACE.len()].escape_ascii()));
    }
    input.advance(PREFACE.len());
    true
}

fn read_frames(input: &mut BytesMut, conn: &mut Conn) {
    loop {
        match Frame::decode(input) {
            Ok(Some(frame)) => conn.frame(frame),
            Ok(None) => return,
            Err(error) => {
                // Nothing behind it can be read.
                input.clear();
                conn.violation(reason::FRAME_SIZE_ERROR, error.to_string());
            }
        }
    }
}

enum Turn {
    Read(usize),
    Wrote,
}

/// Writes and reads at once: a server that does one after the other, and a client that does too, can wait for each
/// other for ever.
fn turn<T: Transport>(
    socket: &mut T,
    conn: &mut Conn,
    unflushed: &mut bool,
    scratch: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<Turn>> {
    let mut wrote = false;
    while !conn.out.is_empty() {
        let Poll::Ready(len) = Pin::new(&mut *socket).poll_write(cx, &conn.out)? else { break };
        conn.out.advance(len);
        wrote = true;
        *unflushed = true;
    }
    if *unflushed && Pin::new(&mut *socket).poll_flush(cx)?.is_ready() {
        *unflushed = false;
        wrote = true;
    }
    if wrote && (conn.wants_room() || (conn.ending().is_some() && conn.out.is_empty() && !*unflushed)) {
        return Poll::Ready(Ok(Turn::Wrote));
    }
    if conn.out.len() > UNWRITTEN_LIMIT {
        return Poll::Pending;
    }
    let mut buf = ReadBuf::new(scratch);
    match Pin::new(socket).poll_read(cx, &mut buf)? {
        Poll::Ready(()) => Poll::Ready(Ok(Turn::Read(buf.filled().len()))),
        Poll::Pending => Poll::Pending,
    }
}
