//! Hostile and broken peers: bounded memory, no busy loop, and the error that hyper gives without us.

use bytes::Bytes;
use tower::{BoxError, ServiceExt};
use tower_redial::ConnectionHealth;
use tower_redial::fate::{BodyUse, Failure};

use crate::setup::{self, fetch};
use crate::support::bound::within;
use crate::support::wire::{MAX_STREAM_ID, setting};
use crate::support::{Frame, H2Conn, ScriptedServer, clients, reason};

/// What a bare client and a watched one make of the same script.
async fn compare(script: impl AsyncFn(&mut H2Conn, u32)) -> (String, String) {
    let mut said = Vec::new();
    for watched in [false, true] {
        let server = ScriptedServer::bind().await;
        let health = ConnectionHealth::default();
        let play = async {
            let mut conn = server.accept().await;
            let request = conn.request().await;
            script(&mut conn, request.stream_id).await;
            conn
        };
        let request = clients::get(server.uri("/"), "1");
        let ask = async {
            let error: BoxError = if watched {
                fetch(&setup::h2(&health), request).await.unwrap_err()
            } else {
                let response = clients::h2().oneshot(request).await;
                match response {
                    Ok(response) => http_body_util::BodyExt::collect(response.into_body()).await.unwrap_err().into(),
                    Err(error) => error.into(),
                }
            };
            error
        };
        let (error, _conn) = within("both sides", async { tokio::join!(ask, play) }).await;
        let failure = Failure::of(&*error, BodyUse::Untouched);
        said.push(format!("{failure}: {error:?}"));
    }
    (said.remove(0), said.remove(0))
}

#[tokio::test]
async fn garbage_is_hypers_to_judge() {
    for garbage in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0xff; 100], b"\0\0\0\x06\0\0\0\0\0"] {
        let (bare, watched) = compare(async |conn, _| conn.raw(garbage).await).await;
        assert_eq!(bare, watched);
    }
}

#[tokio::test]
async fn a_frame_of_sixteen_mebibytes_is_hypers_to_judge() {
    let (bare, watched) = compare(async |conn, stream| {
        let mut frame = vec![0xff, 0xff, 0xff, 0, 0, 0, 0, 0, stream as u8];
        frame.extend([0; 100]);
        conn.raw(frame).await;
    })
    .await;
    assert_eq!(bare, watched);
}

/// A peer that floods with PINGs, SETTINGS and GOAWAYs, and then answers: nothing of it is kept.
#[tokio::test]
async fn floods_are_not_kept() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::default();
    let client = setup::h2(&health);
    let mut events = health.subscribe();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        for round in 0..200_u32 {
            let settings = |n| Frame::Settings { ack: false, values: vec![(setting::MAX_CONCURRENT_STREAMS, n)] };
            let mut frames: Vec<_> = (0..10).map(|n| settings(1 + (round + n) % 7)).collect();
            frames.extend((0..10).map(|n| Frame::Ping { ack: n % 2 == 0, payload: [n; 8] }));
            let debug = Bytes::from(vec![b'x'; 1_000]);
            frames.push(Frame::GoAway { last_stream: MAX_STREAM_ID, reason: reason::NO_ERROR, debug });
            conn.frames(&frames).await;
            // So that the client's answers do not fill the pipe.
            conn.round_trip().await;
        }
        conn.respond(request.stream_id, 200, &[], "at last").await;
        conn
    };
    let ask = fetch(&client, clients::get(server.uri("/"), "1"));
    let (response, conn) = within("both sides", async { tokio::join!(ask, script) }).await;
    assert_eq!(response.unwrap(), "at last");
    drop(conn);
    let snapshot = health.snapshot();
    let debug =
        snapshot.connections.iter().chain(&snapshot.ended).filter_map(|connection| connection.debug_data.as_ref());
    assert!(debug.map(Vec::len).all(|len| len <= 64));
    // The events end when all that could make some is gone.
    drop((client, health));
    let told = within("the events to end", async {
        let mut told = Vec::new();
        while let Some(notice) = events.next().await {
            told.push(notice);
        }
        told
    })
    .await;
    assert!(told.len() <= 4, "one drain is told, not two hundred: {told:?}");
}

/// A peer that answers our PING with every PING but ours.
#[tokio::test]
async fn strange_acknowledgements_are_no_answer() {
    let server = ScriptedServer::bind().await;
    let health = setup::quick().build();
    let client = setup::h2(&health);
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.manual();
        let ours = conn.expect_ping().await;
        for n in 0..100_u8 {
            conn.ping_ack([n; 8]).await;
        }
        conn.ping_ack(ours).await;
        conn.ping_ack(ours).await;
        conn.respond(request.stream_id, 200, &[], "").await;
        conn
    };
    let ask = fetch(&client, clients::get(server.uri("/"), "1"));
    let (response, _conn) = within("both sides", async { tokio::join!(ask, script) }).await;
    response.unwrap();
    assert_eq!(setup::only(&health).probes, 1);
}
