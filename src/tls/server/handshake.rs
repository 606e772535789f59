//! One handshake, on the runtime that will serve the connection: bounded in number, in turn, and counted.
//!
//! A peer that has said nothing yet holds no place, and one that falls silent in the middle holds it for a second, if
//! others want it.

use std::{fmt, io, sync::Arc, time::Duration};

use rustls::{CertificateError, Error, ServerConfig, server::Acceptor};
use tokio::{sync::Semaphore, task::yield_now, time::sleep};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{Peer, ServerTls};
use crate::places::Places;

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

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The peer took too long, or long while others waited, or the listener was told to stop.
    Timeout,
    /// The peer left.
    Closed,
    /// The peer speaks something else.
    NotTls,
    /// No common version, suite or protocol, or a breach of TLS.
    Protocol,
    /// The client has no certificate, and needs one.
    CertificateMissing,
    /// The client's certificate is not of the authority, or is broken.
    CertificateUntrusted,
    /// The client's certificate has expired or is not valid yet.
    CertificateExpired,
    /// The client's certificate is for another name.
    CertificateName,
    /// The client refused, our certificate for one.
    RefusedByClient,
}

impl Reason {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Timeout,
        Self::Closed,
        Self::NotTls,
        Self::Protocol,
        Self::CertificateMissing,
        Self::CertificateUntrusted,
        Self::CertificateExpired,
        Self::CertificateName,
        Self::RefusedByClient,
    ];

    /// As metrics have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::NotTls => "not_tls",
            Self::Protocol => "protocol",
            Self::CertificateMissing => "certificate_missing",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateName => "certificate_name",
            Self::RefusedByClient => "refused_by_client",
        }
    }

    fn of(error: &io::Error) -> Self {
        use CertificateError::{
            Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        };

        if error.kind() == io::ErrorKind::TimedOut {
            return Self::Timeout;
        }
        match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
            None => Self::Closed,
            Some(Error::NoCertificatesPresented) => Self::CertificateMissing,
            Some(Error::InvalidCertificate(
                Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
            )) => Self::CertificateExpired,
            Some(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => Self::CertificateName,
            Some(Error::InvalidCertificate(_)) => Self::CertificateUntrusted,
            Some(Error::AlertReceived(_)) => Self::RefusedByClient,
            Some(_) => Self::Protocol,
        }
    }
}

/// A handshake that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", reason.name())]
pub struct HandshakeError {
    /// The kind of failure.
    pub reason: Reason,
    /// What went wrong.
    #[source]
    pub error: io::Error,
}

impl ServerTls {
    /// Secures an accepted connection with the certificates of this moment, or gives it up when `over` ends. A failure
    /// is counted, and logged at level debug: peers can make any number of them.
    ///
    /// # Errors
    /// If the handshake failed.
    pub async fn accept<IO>(
        &self,
        io: IO,
        peer: impl fmt::Debug,
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
                self.stats().finished();
                Ok(stream)
            }
            Err((reason, error)) => {
                self.stats().failed(reason);
                tracing::debug!(listener = self.listener(), ?peer, reason = reason.name(), %error, "TLS handshake failed");
                Err(HandshakeError { reason, error })
            }
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
    io.heard().await.map_err(|error| (Reason::of(&error), error))?;
    let _place = gate.in_flight.take().await;
    let hello = gate.hear(LazyConfigAcceptor::new(Acceptor::default(), io)).await.map_err(|error| {
        let reason = match Reason::of(&error) {
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
    gate.hear(accept).await.map_err(|error| (Reason::of(&error), error))
}

fn is_garbage(error: &io::Error) -> bool {
    matches!(error.get_ref().and_then(|error| error.downcast_ref()), Some(Error::InvalidMessage(_)))
}
