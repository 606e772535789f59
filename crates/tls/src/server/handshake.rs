//! Handshakes of accepted connections, on the runtime that then serves the connection: bounded in number, one signature
//! at a time, and counted.
//!
//! A peer takes a slot with its first bytes. If it then falls silent for a second while other peers wait for a slot, it
//! is evicted.

use std::{fmt, io, sync::Arc, time::Duration};

use rustls::{ServerConfig, server::Acceptor};
use tokio::{sync::Semaphore, task::yield_now, time::sleep};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{Peer, ServerTls};
use crate::{HandshakeError, Reason, failure::is_garbage};
use slot_pool::SlotPool;

/// The most handshakes in flight per runtime; further ones wait. Each may buffer some 64 KiB that the peer sent.
const IN_FLIGHT: usize = 1024;

/// How long a peer may take for its next message while other peers wait for a slot.
const EVICTABLE_AFTER: Duration = Duration::from_secs(1);

/// Limits the handshakes of one runtime.
#[derive(Debug)]
pub struct Gate {
    in_flight: SlotPool,
    /// One permit, for the handshake that computes its key exchange and signature.
    turn: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self { in_flight: SlotPool::new(IN_FLIGHT), turn: Semaphore::new(1) }
    }
}

impl Gate {
    /// Waits for the peer's next message; fails with [`io::ErrorKind::TimedOut`] if the peer is evicted.
    async fn receive<T>(&self, message: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let evicted = async {
            sleep(EVICTABLE_AFTER).await;
            self.in_flight.evicted().await;
        };
        tokio::select! {
            biased;
            received = message => received,
            () = evicted => Err(io::Error::new(io::ErrorKind::TimedOut, "silent while other peers wait")),
        }
    }
}

impl ServerTls {
    /// Performs the handshake of an accepted connection with the active certificates, or gives up when `cancelled`
    /// resolves. A failure is counted, and logged as a warning at most once a minute for each reason, because peers can
    /// cause any number of them.
    ///
    /// # Errors
    /// If the handshake fails; giving up is [`Reason::Timeout`].
    pub async fn accept<IO>(
        &self,
        io: IO,
        peer: impl fmt::Display,
        gate: &Gate,
        cancelled: impl Future<Output = ()>,
    ) -> Result<TlsStream<IO>, HandshakeError>
    where
        IO: Peer,
    {
        let ended = tokio::select! {
            biased;
            ended = handshake(io, gate, || self.config()) => ended,
            () = cancelled => Err((Reason::Timeout, io::ErrorKind::TimedOut.into())),
        };
        match ended {
            Ok(stream) => {
                self.stats().tally.finished();
                Ok(stream)
            }
            Err((reason, error)) => {
                let error = HandshakeError { reason, error };
                self.failed(&peer, &error);
                Err(error)
            }
        }
    }

    fn failed(&self, peer: &dyn fmt::Display, error: &HandshakeError) {
        let (listener, reason, cause) = (self.listener(), error.reason.name(), error.cause());
        let tally = &self.stats().tally;
        let due = match error.reason {
            // closed by the peer, as TCP health checks do
            Reason::Closed => {
                tally.failed_quietly(error.reason);
                None
            }
            reason => tally.failed(reason),
        };
        match due {
            Some(count) => tracing::warn!(
                listener,
                %peer,
                reason,
                count,
                "the TLS handshake failed: {cause} (counted in tollgate_tls_handshake_failures_total)"
            ),
            None => tracing::debug!(listener, %peer, reason, "the TLS handshake failed: {cause}"),
        }
    }
}

async fn handshake<IO>(
    io: IO,
    gate: &Gate,
    config: impl Fn() -> Arc<ServerConfig>,
) -> Result<TlsStream<IO>, (Reason, io::Error)>
where
    IO: Peer,
{
    io.wait_readable().await.map_err(|error| (reason(&error), error))?;
    let _slot = gate.in_flight.acquire().await;
    let hello = gate.receive(LazyConfigAcceptor::new(Acceptor::default(), io)).await.map_err(|error| {
        let reason = match reason(&error) {
            Reason::Protocol if is_garbage(&error) => Reason::NotTls,
            reason => reason,
        };
        (reason, error)
    })?;
    let accept = {
        // The key exchange and the signature occupy this thread for most of a millisecond. One handshake at a time does
        // them, and yields to all other tasks before the next: a thousand clients that reconnect at once must not stall
        // the calls of other connections.
        let _turn = gate.turn.acquire().await.expect("never closed");
        let accept = hello.into_stream(config());
        yield_now().await;
        accept
    };
    gate.receive(accept).await.map_err(|error| (reason(&error), error))
}

fn reason(error: &io::Error) -> Reason {
    Reason::of(error, Reason::RefusedByClient)
}
