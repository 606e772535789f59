//! Why a handshake failed, in either direction.

use std::{fmt, io};

use rustls::{CertificateError, Error};

/// The kind of a failure: the value of label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The peer took too long, or long while others waited, or the program was about to stop.
    Timeout,
    /// The peer left.
    Closed,
    /// The peer speaks something else.
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
    /// The client refused, our certificate for one.
    RefusedByClient,
    /// The server refused, our certificate for one.
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

    /// Of a handshake that ended so. `refused`: what an alert of the peer means.
    pub(super) fn of(error: &io::Error, refused: Self) -> Self {
        use CertificateError::{
            Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        };

        // that of ours and that of the kernel
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
    /// Of our handshake with a server.
    #[must_use]
    pub fn with_server(error: io::Error) -> Self {
        let reason = match Reason::of(&error, Reason::RefusedByServer) {
            Reason::Protocol if is_garbage(&error) => Reason::NotTls,
            reason => reason,
        };
        Self { reason, error }
    }

    /// What went wrong, and what to do about it where that is known, without the reason's name.
    #[must_use]
    pub fn cause(&self) -> impl fmt::Display {
        Explained(&self.error)
    }
}

/// An error of rustls in words. Its own are an enum's in places.
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

/// Whether what came was not even a message of TLS.
pub(super) fn is_garbage(error: &io::Error) -> bool {
    matches!(of_rustls(error), Some(Error::InvalidMessage(_)))
}

fn of_rustls(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|error| error.downcast_ref())
}
