//! Why a handshake failed, in either direction.

use std::{fmt, io};

use rustls::{CertificateError, Error};

/// The kind of a failure: the value of label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The peer took too long, or was evicted, or the program was shutting down.
    Timeout,
    /// The peer closed the connection.
    Closed,
    /// The peer does not speak TLS.
    NotTls,
    /// No common version, suite or protocol, or a breach of TLS.
    Protocol,
    /// The peer has no certificate, and needs one.
    CertificateMissing,
    /// The peer's certificate is not of a trusted authority, or is broken.
    CertificateUntrusted,
    /// The peer's certificate has expired or is not valid yet.
    CertificateExpired,
    /// The peer's certificate is for another name.
    CertificateName,
    /// The client refused, for example the certificate of this listener.
    RefusedByClient,
    /// The server refused, for example the certificate of this client.
    RefusedByServer,
}

impl Reason {
    /// How many there are.
    pub(super) const COUNT: usize = 10;

    /// Those of a listener.
    pub const OF_LISTENERS: [Self; 9] = [
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

    /// Those of a client.
    pub const OF_CLIENTS: [Self; 9] = [
        Self::Timeout,
        Self::Closed,
        Self::NotTls,
        Self::Protocol,
        Self::CertificateMissing,
        Self::CertificateUntrusted,
        Self::CertificateExpired,
        Self::CertificateName,
        Self::RefusedByServer,
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
            Self::RefusedByServer => "refused_by_server",
        }
    }

    /// The kind of this error. `refused`: the meaning of an alert of the peer.
    pub(super) fn of(error: &io::Error, refused: Self) -> Self {
        use CertificateError::{
            Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        };

        // the timeout of this program, and that of the kernel
        if error.kind() == io::ErrorKind::TimedOut {
            return Self::Timeout;
        }
        match of_rustls(error) {
            None => Self::Closed,
            Some(Error::NoCertificatesPresented) => Self::CertificateMissing,
            Some(Error::InvalidCertificate(
                Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
            )) => Self::CertificateExpired,
            Some(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => Self::CertificateName,
            Some(Error::InvalidCertificate(_)) => Self::CertificateUntrusted,
            Some(Error::AlertReceived(_)) => refused,
            Some(_) => Self::Protocol,
        }
    }
}

/// A handshake that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", reason.name(), Explained(error))]
pub struct HandshakeError {
    /// The kind of failure.
    pub reason: Reason,
    /// What went wrong.
    #[source]
    pub error: io::Error,
}

impl HandshakeError {
    /// Of a handshake with a server.
    #[must_use]
    pub fn with_server(error: io::Error) -> Self {
        let reason = match Reason::of(&error, Reason::RefusedByServer) {
            Reason::Protocol if is_garbage(&error) => Reason::NotTls,
            reason => reason,
        };
        Self { reason, error }
    }

    /// What went wrong, and the cure where one is known, without the name of the reason.
    #[must_use]
    pub fn cause(&self) -> impl fmt::Display {
        Explained(&self.error)
    }
}

/// The text of an error of rustls, which in places is only the name of an enum's variant.
struct Explained<'a>(&'a io::Error);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use CertificateError as Fault;

        const INVALID: &str = "invalid peer certificate: ";
        let Some(error) = of_rustls(self.0) else { return self.0.fmt(f) };
        match error {
            Error::InvalidCertificate(Fault::Other(other)) => write!(f, "{INVALID}{other}"),
            Error::InvalidCertificate(Fault::UnknownIssuer) => {
                write!(f, "{error} (no trusted certificate issued it, by way of those that the peer sent)")
            }
            Error::InvalidCertificate(Fault::BadSignature) => {
                write!(
                    f,
                    "{error} (made with another key, or an RSA key of fewer than 2048 bits, which is not supported)"
                )
            }
            Error::InvalidCertificate(
                Fault::UnsupportedSignatureAlgorithmContext { .. }
                | Fault::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
            ) => write!(f, "{INVALID}UnsupportedSignatureAlgorithm (SHA-1 is one, P-224 another)"),
            _ => error.fmt(f),
        }
    }
}

/// Whether the bytes received were no message of TLS.
pub(super) fn is_garbage(error: &io::Error) -> bool {
    matches!(of_rustls(error), Some(Error::InvalidMessage(_)))
}

fn of_rustls(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|error| error.downcast_ref())
}
