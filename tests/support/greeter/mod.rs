//! gRPC's hello-world service with every kind of call, as tonic-build writes it, but without protoc.
//!
//! It is no part of `support`, so that only what speaks gRPC compiles it: `#[path = "../support/greeter/mod.rs"] mod greeter;`
//! beside `mod support`.
#![allow(dead_code, unreachable_pub, reason = "each test and example uses a part of it")]

mod client;
mod server;

use bytes::{BufMut, BytesMut};
use prost::Message;

use crate::support::Reply;

pub use client::{GreeterClient, Stack};
pub use server::{Greeter, Running};

/// One message in, one out.
pub const SAY_HELLO: &str = "/helloworld.Greeter/SayHello";
/// One in, many out.
pub const LOTS_OF_REPLIES: &str = "/helloworld.Greeter/LotsOfReplies";
/// Many in, one out.
pub const LOTS_OF_GREETINGS: &str = "/helloworld.Greeter/LotsOfGreetings";
/// Many in, as many out.
pub const BIDI_HELLO: &str = "/helloworld.Greeter/BidiHello";

/// Who is to be greeted. The name is unique: the ledger counts by it.
#[derive(Clone, PartialEq, Message)]
pub struct HelloRequest {
    #[prost(string, tag = "1")]
    pub name: String,
    /// How many replies a stream has.
    #[prost(uint32, tag = "2")]
    pub replies: u32,
    /// Milliseconds before each reply.
    #[prost(uint32, tag = "3")]
    pub pace: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct HelloReply {
    #[prost(string, tag = "1")]
    pub message: String,
}

impl HelloRequest {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl HelloReply {
    pub fn to(name: &str) -> Self {
        Self { message: format!("hello, {name}") }
    }
}

/// A message as it stands in a body: gRPC over HTTP2, "Length-Prefixed-Message".
pub fn framed(message: &impl Message) -> BytesMut {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.encoded_len() as u32);
    message.encode(&mut framed).expect("room for a message");
    framed
}

/// The message in a body with one.
pub fn unframed<M: Message + Default>(body: &[u8]) -> Option<M> {
    M::decode(body.get(5..)?).ok()
}

/// The header that every answer has.
pub const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// The trailers of an answer without an error.
pub const OK: (&str, &str) = ("grpc-status", "0");

/// The answer to a unary call, from a server that knows nothing of gRPC.
pub fn reply(body: &[u8]) -> Reply {
    let request: HelloRequest = unframed(body).unwrap_or_default();
    let reply = Reply::new(200).header(GRPC.0, GRPC.1).trailer(OK.0, OK.1);
    reply.body(framed(&HelloReply::to(&request.name)).freeze())
}
