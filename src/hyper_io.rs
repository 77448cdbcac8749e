//! hyper's IO traits for a transport that works under tokio's: hyper's show nobody, without `unsafe`, which bytes were read.

/// Implements them for a tuple struct around a [`TokioIo`](hyper_util::rt::TokioIo), by that.
macro_rules! by_tokio {
    ($io:ident) => {
        impl<T: hyper::rt::Read + hyper::rt::Write + Unpin> hyper::rt::Read for $io<T> {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: hyper::rt::ReadBufCursor<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                hyper::rt::Read::poll_read(std::pin::Pin::new(&mut self.get_mut().0), cx, buf)
            }
        }

        impl<T: hyper::rt::Read + hyper::rt::Write + Unpin> hyper::rt::Write for $io<T> {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                hyper::rt::Write::poll_write(std::pin::Pin::new(&mut self.get_mut().0), cx, buf)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                hyper::rt::Write::poll_flush(std::pin::Pin::new(&mut self.get_mut().0), cx)
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                hyper::rt::Write::poll_shutdown(std::pin::Pin::new(&mut self.get_mut().0), cx)
            }

            fn is_write_vectored(&self) -> bool {
                hyper::rt::Write::is_write_vectored(&self.0)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                hyper::rt::Write::poll_write_vectored(std::pin::Pin::new(&mut self.get_mut().0), cx, bufs)
            }
        }
    };
}

pub(crate) use by_tokio;
