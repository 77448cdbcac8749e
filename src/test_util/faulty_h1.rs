//! The HTTP/1.1 side of a [`FaultyServer`](super::FaultyServer) that speaks both: it has no faults.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use tokio::{net::TcpStream, time::sleep};

use super::{H2, faulty_server::Shared, h1_script::H1Conn, message::pairs, socket::Socket, wire::PREFACE};

/// Whether the client of a connection in the clear begins with the preface of HTTP/2, as far as its first bytes show.
pub(crate) async fn begins_with_preface(tcp: &TcpStream) -> io::Result<bool> {
    // No method begins like this, and no client sends less at first.
    let mut first = [0; 3];
    let read = tcp.peek(&mut first).await?;
    Ok(PREFACE.starts_with(&first[..read]))
}

/// Whether TLS leaves it at HTTP/1.1: a client that offers nothing else may leave ALPN out.
pub(crate) fn left_by_alpn(socket: &Socket) -> bool {
    socket.is_tls() && socket.alpn() != Some(H2)
}

/// Answers every request of a connection.
pub(crate) async fn serve(socket: Socket, shared: Arc<Shared>) {
    shared.counts.http1_connections.fetch_add(1, Ordering::Relaxed);
    let mut conn = H1Conn::new(socket, shared.ledger.clone());
    while let Some(received) = conn.next_request().await {
        shared.counts.http1_requests.fetch_add(1, Ordering::Relaxed);
        let body = conn.read_body(&received).await;
        conn.process(&received);
        let reply = (shared.plan.handler)(&received, body.data);
        sleep(reply.delay.unwrap_or(shared.plan.delay)).await;
        let fields: Vec<_> = pairs(&reply.headers).filter(|(name, _)| *name != "content-length").collect();
        if conn.try_respond(reply.status, &fields, reply.body).await.is_err() {
            // The client is gone.
            return;
        }
    }
}
