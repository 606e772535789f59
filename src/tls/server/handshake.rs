//! One handshake, on the runtime that will serve the connection: bounded in number, in turn, and counted.
//!
//! A peer that has said nothing yet holds no place, and one that falls silent in the middle holds it for a second, if
//! others want it.

use std::{fmt, io, sync::Arc, time::Duration};

use rustls::{ServerConfig, server::Acceptor};
use tokio::{sync::Semaphore, task::yield_now, time::sleep};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{Peer, ServerTls};
use crate::{
    places::Places,
    tls::{HandshakeError, Reason, failure::is_garbage},
};

/// Handshakes that a runtime has in flight; further ones wait. Each may hold some 64 KiB that the peer sent.
const IN_FLIGHT: usize = 1024;

/// How long a peer may take for what it has to say next, where others want its place.
const WHERE_OTHERS_WAIT: Duration = Duration::from_secs(1);

/// What the handshakes of one runtime share.
#[derive(Debug)]
pub struct Gate {
    in_flight: Places,
    turn: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self { in_flight: Places::new(IN_FLIGHT), turn: Semaphore::new(1) }
    }
}

impl Gate {
    /// Hears what a peer has to say next; an error if it takes long and its place is wanted.
    async fn hear<T>(&self, said: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let in_the_way = async {
            sleep(WHERE_OTHERS_WAIT).await;
            self.in_flight.asked_for().await;
        };
        tokio::select! {
            biased;
            said = said => said,
            () = in_the_way => Err(io::Error::new(io::ErrorKind::TimedOut, "silent while others wait")),
        }
    }
}

impl ServerTls {
    /// Secures an accepted connection with the certificates of this moment, or gives it up when `over` ends. A failure
    /// is counted, and logged as a warning once a minute for each reason: peers can make any number of them.
    ///
    /// # Errors
    /// If the handshake failed.
    pub async fn accept<IO>(
        &self,
        io: IO,
        peer: impl fmt::Display,
        gate: &Gate,
        over: impl Future<Output = ()>,
    ) -> Result<TlsStream<IO>, HandshakeError>
    where
        IO: Peer,
    {
        let ended = tokio::select! {
            biased;
            ended = handshake(io, gate, || self.config()) => ended,
            () = over => Err((Reason::Timeout, io::ErrorKind::TimedOut.into())),
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
            // left of its own accord, as TCP health checks do
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
    io.heard().await.map_err(|error| (reason(&error), error))?;
    let _place = gate.in_flight.take().await;
    let hello = gate.hear(LazyConfigAcceptor::new(Acceptor::default(), io)).await.map_err(|error| {
        let reason = match reason(&error) {
            Reason::Protocol if is_garbage(&error) => Reason::NotTls,
            reason => reason,
        };
        (reason, error)
    })?;
    let accept = {
        // The key exchange and the signature take most of a millisecond of this thread. One at a time, with everybody else
        // served in between, so that a thousand clients that come back at once do not stop the calls of the others.
        let _turn = gate.turn.acquire().await.expect("never closed");
        let accept = hello.into_stream(config());
        yield_now().await;
        accept
    };
    gate.hear(accept).await.map_err(|error| (reason(&error), error))
}

fn reason(error: &io::Error) -> Reason {
    Reason::of(error, Reason::RefusedByClient)
}
