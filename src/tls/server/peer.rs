//! The peer of a connection that is not secured yet.

use std::{future::Future, io};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

/// A connection that tells when its peer has said something, without taking it.
pub trait Peer: AsyncRead + AsyncWrite + Unpin {
    /// Ends when there is something to read, be it the end.
    fn heard(&self) -> impl Future<Output = io::Result<()>> + Send;
}

impl Peer for TcpStream {
    fn heard(&self) -> impl Future<Output = io::Result<()>> + Send {
        self.readable()
    }
}

impl Peer for UnixStream {
    fn heard(&self) -> impl Future<Output = io::Result<()>> + Send {
        self.readable()
    }
}
