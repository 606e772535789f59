//! Why a handshake failed, with a client or with a server.

use std::{fmt, io};

use rustls::{CertificateError, Error};

/// The kind of a failed handshake: the label `reason` in metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The peer took too long or was evicted, or this process is shutting down.
    Timeout,
    /// The peer closed the connection.
    Closed,
    /// The peer does not speak TLS.
    NotTls,
    /// No common version, cipher suite or ALPN protocol, or a violation of the TLS protocol.
    Protocol,
    /// The peer presented no certificate, and one is required.
    CertificateMissing,
    /// The peer's certificate is not issued by a trusted authority, or is malformed.
    CertificateUntrusted,
    /// The peer's certificate has expired or is not valid yet.
    CertificateExpired,
    /// The peer's certificate is for another name.
    CertificateName,
    /// The client ended the handshake with an alert: for example, it does not trust this listener's certificate.
    RefusedByClient,
    /// The server ended the handshake with an alert: for example, it does not trust this client's certificate.
    RefusedByServer,
}

impl Reason {
    /// The number of reasons.
    pub(super) const COUNT: usize = 10;

    /// The reasons for which a listener's handshakes fail.
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

    /// The reasons for which a client's handshakes fail.
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

    /// The value of the label.
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

    /// The kind of this error. `refused` is the kind if the error is an alert from the peer.
    pub(super) fn of(error: &io::Error, refused: Self) -> Self {
        use CertificateError::{
            Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        };

        // a timeout of this process or of the kernel
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
    /// The error of the stream, which wraps that of rustls if there is one.
    #[source]
    pub error: io::Error,
}

impl HandshakeError {
    /// The failure of a handshake with a server.
    #[must_use]
    pub fn with_server(error: io::Error) -> Self {
        let reason = match Reason::of(&error, Reason::RefusedByServer) {
            Reason::Protocol if is_garbage(&error) => Reason::NotTls,
            reason => reason,
        };
        Self { reason, error }
    }

    /// The text of the error, explained where that of rustls is cryptic, without the name of the reason.
    #[must_use]
    pub fn cause(&self) -> impl fmt::Display {
        Explained(&self.error)
    }
}

/// Displays an error of rustls with an explanation where its own text is only the name of an enum variant.
struct Explained<'a>(&'a io::Error);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use CertificateError as Fault;

        const INVALID: &str = "invalid peer certificate: ";
        let Some(error) = of_rustls(self.0) else { return self.0.fmt(f) };
        match error {
            Error::InvalidCertificate(Fault::Other(other)) => write!(f, "{INVALID}{other}"),
            Error::InvalidCertificate(Fault::UnknownIssuer) => {
                write!(
                    f,
                    "{error} (no chain leads to a trusted certificate through the intermediates that the peer sent)"
                )
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

/// Whether the received bytes were not a TLS message.
pub(super) fn is_garbage(error: &io::Error) -> bool {
    matches!(of_rustls(error), Some(Error::InvalidMessage(_)))
}

fn of_rustls(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|error| error.downcast_ref())
}
