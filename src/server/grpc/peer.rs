//! The peer of a connection, and how its rejections are counted and logged.

use std::{fmt::Display, sync::Arc};

use crate::rejections::{Api, PeerName, Reason, Rejections};
use tls::PeerCertificate;

use super::filter::{PROTOCOL_ERROR, REFUSED_STREAM, Rejected};

/// The peer of a connection that is served.
#[derive(Clone, Debug)]
pub struct RemotePeer {
    /// The peer's address.
    pub name: PeerName,
    /// The peer's certificate; `None` if it sent none, or the listener requests none.
    pub certificate: Option<PeerCertificate>,
}

/// The name of the peer, and where its rejections are counted.
#[derive(Clone, Debug)]
pub(super) struct PeerContext {
    pub(super) name: PeerName,
    pub(super) rejections: Arc<Rejections>,
}

impl PeerContext {
    /// Counts a rejection that has already been logged.
    pub(super) fn count(&self, reason: Reason) {
        self.rejections.count(Api::Rls, reason);
    }

    /// Counts a rejection, and logs it at a bounded rate.
    pub(super) fn reject(&self, reason: Reason, detail: &dyn Display) {
        self.rejections.record(Api::Rls, reason, &self.name, detail);
    }

    /// Counts and logs a rejection by h2.
    #[cold]
    pub(super) fn reject_http2(&self, rejected: Rejected) {
        let name = |code: u32| h2::Reason::from(code);
        match rejected {
            Rejected::HeadersTooLarge => {
                self.reject(
                    Reason::HeadersTooLarge,
                    &"the headers of a request are longer than MAX_HEADER_LIST_BYTES; it was answered with 431",
                );
            }
            Rejected::Stream(code @ PROTOCOL_ERROR) => {
                let detail = "the headers of a request, or a frame, violate HTTP/2; LOG_LEVEL=trace shows how";
                self.reject(Reason::StreamProtocol, &format_args!("{:?}: {detail}", name(code)));
            }
            Rejected::Stream(code @ REFUSED_STREAM) => {
                let detail = "the connection has as many calls open as MAX_CONCURRENT_STREAMS allows";
                self.reject(Reason::StreamRefused, &format_args!("{:?}: {detail}", name(code)));
            }
            Rejected::Stream(code) => {
                self.reject(Reason::StreamOther, &format_args!("{:?}: the stream was reset", name(code)));
            }
            Rejected::Connection(code) => {
                let detail = "the peer violated HTTP/2, and the connection was closed with all its calls";
                self.reject(Reason::ConnectionError, &format_args!("{:?}: {detail}", name(code)));
            }
        }
    }
}
