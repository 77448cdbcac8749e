//! The client, as it is generated.

use http::uri::PathAndQuery;
use tonic::{
    IntoRequest, IntoStreamingRequest, Response, Status, Streaming,
    body::Body,
    client::{Grpc, GrpcService},
    codegen::StdError,
};
use tonic_prost::ProstCodec;

use super::{BIDI_HELLO, HelloReply, HelloRequest, LOTS_OF_GREETINGS, LOTS_OF_REPLIES, SAY_HELLO};

/// What a generated client asks of what it is given.
pub trait Stack:
    GrpcService<
        Body,
        Error: Into<StdError>,
        ResponseBody: http_body::Body<Data = bytes::Bytes, Error: Into<StdError> + Send> + Send + 'static,
    >
{
}

impl<T> Stack for T
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
}

#[derive(Clone)]
pub struct GreeterClient<T> {
    inner: Grpc<T>,
}

impl<T: Stack> GreeterClient<T> {
    pub fn new(inner: T) -> Self {
        Self { inner: Grpc::new(inner) }
    }

    pub async fn say_hello(&mut self, request: impl IntoRequest<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        self.ready().await?;
        let codec = ProstCodec::default();
        self.inner.unary(request.into_request(), PathAndQuery::from_static(SAY_HELLO), codec).await
    }

    pub async fn lots_of_replies(
        &mut self,
        request: impl IntoRequest<HelloRequest>,
    ) -> Result<Response<Streaming<HelloReply>>, Status> {
        self.ready().await?;
        let codec = ProstCodec::default();
        self.inner.server_streaming(request.into_request(), PathAndQuery::from_static(LOTS_OF_REPLIES), codec).await
    }

    pub async fn lots_of_greetings(
        &mut self,
        request: impl IntoStreamingRequest<Message = HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        self.ready().await?;
        let (codec, path) = (ProstCodec::default(), PathAndQuery::from_static(LOTS_OF_GREETINGS));
        self.inner.client_streaming(request.into_streaming_request(), path, codec).await
    }

    pub async fn bidi_hello(
        &mut self,
        request: impl IntoStreamingRequest<Message = HelloRequest>,
    ) -> Result<Response<Streaming<HelloReply>>, Status> {
        self.ready().await?;
        let (codec, path) = (ProstCodec::default(), PathAndQuery::from_static(BIDI_HELLO));
        self.inner.streaming(request.into_streaming_request(), path, codec).await
    }

    async fn ready(&mut self) -> Result<(), Status> {
        let unready = |error: T::Error| Status::unknown(format!("Service was not ready: {}", error.into()));
        self.inner.ready().await.map_err(unready)
    }
}
