//! The peer of one connection, for counts and logs.

use std::{fmt::Display, sync::Arc};

use crate::rejections::{Api, PeerName, Reason, Rejections};
use tls::PeerCertificate;

use super::filter::{PROTOCOL_ERROR, REFUSED_STREAM, Rejected};

/// The peer of a connection that is served.
#[derive(Clone, Debug)]
pub struct RemotePeer {
    /// Its address.
    pub name: PeerName,
    /// Its certificate, if the listener requests one.
    pub certificate: Option<PeerCertificate>,
}

/// The name of the peer, and where its rejections are counted.
#[derive(Clone, Debug)]
pub(super) struct PeerContext {
    pub(super) name: PeerName,
    pub(super) rejections: Arc<Rejections>,
}

impl PeerContext {
    /// Counts a rejection that has been logged.
    pub(super) fn count(&self, reason: Reason) {
        self.rejections.count(Api::Rls, reason);
    }

    /// Counts a rejection, and logs it at a bounded rate.
    pub(super) fn reject(&self, reason: Reason, detail: &dyn Display) {
        self.rejections.record(Api::Rls, reason, &self.name, detail);
    }

    /// The same for one that h2 made.
    #[cold]
    pub(super) fn reject_http2(&self, rejected: Rejected) {
        let name = |code: u32| h2::Reason::from(code);
        match rejected {
            Rejected::HeadersTooLarge => {
                self.reject(
                    Reason::HeadersTooLarge,
                    &"the headers of a request are longer than may be; it was answered 431",
                );
            }
            Rejected::Stream(code @ PROTOCOL_ERROR) => {
                let detail = "the headers of a request, or a frame, break HTTP/2; LOG_LEVEL=trace says how";
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
                let detail = "the peer broke HTTP/2, and the connection was closed with all its calls";
                self.reject(Reason::ConnectionError, &format_args!("{:?}: {detail}", name(code)));
            }
        }
    }
}
