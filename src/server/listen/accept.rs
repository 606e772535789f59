//! Accepts the connections of a listener until it is stopped.

use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::time::sleep;

use super::{
    Listener,
    slots::{ConnectionSlot, ConnectionSlots},
    socket::{Socket, SocketOptions},
    tcp::BACKLOG,
};

/// The first pause after accepting failed, and the longest one, which is short because a health probe that waits in the
/// queue often has a timeout of one second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// Decides where an accepted connection is served: on which worker, or in which task.
pub(in crate::server) trait Dispatch {
    /// Has the connection served; it must hold `slot` until it ends. A connection without a slot is rejected: dropping
    /// its socket closes it.
    fn dispatch(&mut self, socket: Socket, slot: Option<ConnectionSlot>);
}

/// A listener and how its connections are accepted.
#[derive(Debug)]
pub(in crate::server) struct Acceptor {
    pub(in crate::server) listener: Listener,
    pub(in crate::server) slots: Arc<ConnectionSlots>,
    pub(in crate::server) options: SocketOptions,
}

impl Acceptor {
    /// Accepts until `stop` resolves; then accepts the connections that the system has queued, and closes the listener.
    pub(in crate::server) async fn run(self, dispatch: &mut impl Dispatch, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut backoff = Backoff::new(self.listener.name());
        loop {
            let accepted = tokio::select! {
                accepted = poll_fn(|cx| self.listener.poll_accept(cx)) => accepted,
                () = &mut stop => break,
            };
            match accepted {
                Ok(socket) => {
                    backoff.end();
                    tokio::select! {
                        slot = self.slots.acquire() => self.pass(socket, slot, dispatch),
                        () = &mut stop => {
                            self.pass(socket, self.slots.try_acquire(), dispatch);
                            break;
                        }
                    }
                }
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
                    let pause = backoff.next(&error);
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = &mut stop => break,
                    }
                }
            }
        }
        // At most as many as the queue can hold: peers that continue to connect must not delay the shutdown.
        for _ in 0..BACKLOG {
            match self.listener.accept_queued() {
                Ok(socket) => self.pass(socket, self.slots.try_acquire(), dispatch),
                Err(error) if is_peer_error(&error) => {}
                Err(_) => break,
            }
        }
    }

    /// Sets the socket's options, and passes the connection to `dispatch`.
    fn pass(&self, socket: Socket, slot: Option<ConnectionSlot>, dispatch: &mut impl Dispatch) {
        if let Err(error) = socket.set_options(&self.options) {
            // the peer has closed the connection, which serving it will find out too
            tracing::debug!(listener = self.listener.name(), %error, "a connection ended before it was served");
        }
        dispatch.dispatch(socket, slot);
    }
}

/// Whether accepting failed because of the peer: the next connection may succeed.
fn is_peer_error(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

/// The pauses while accepting fails. Logs when accepting begins to fail and when it works again.
#[derive(Debug)]
struct Backoff {
    listener: &'static str,
    last: Option<Duration>,
}

impl Backoff {
    fn new(listener: &'static str) -> Self {
        Self { listener, last: None }
    }

    /// How long to pause after this error: twice as long as after the previous one, up to the longest pause.
    fn next(&mut self, error: &io::Error) -> Duration {
        let pause = match self.last {
            Some(last) => (last * 2).min(PAUSES.1),
            None => {
                tracing::warn!(
                    listener = self.listener,
                    %error,
                    "cannot accept connections; retrying (if there are too many open files, raise `ulimit -n`)"
                );
                PAUSES.0
            }
        };
        self.last = Some(pause);
        pause
    }

    /// Ends the pauses: a connection was accepted.
    fn end(&mut self) {
        if self.last.take().is_some() {
            tracing::info!(listener = self.listener, "accepting connections again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::server::listen::{Listen, slots::Eviction};

    #[test]
    fn pauses_double_up_to_a_maximum_and_start_again_after_success() {
        let mut backoff = Backoff::new("test");
        let error = io::Error::other("too many open files");
        let pauses: Vec<_> = (0..9).map(|_| backoff.next(&error).as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 100, 100, 100, 100, 100]);
        backoff.end();
        assert_eq!(backoff.next(&error), PAUSES.0);
    }

    #[derive(Default)]
    struct Counting {
        served: Vec<(Socket, ConnectionSlot)>,
        refused: usize,
    }

    impl Dispatch for Counting {
        fn dispatch(&mut self, socket: Socket, slot: Option<ConnectionSlot>) {
            match slot {
                Some(slot) => self.served.push((socket, slot)),
                None => self.refused += 1,
            }
        }
    }

    #[tokio::test]
    async fn every_connection_that_is_queued_at_the_end_is_dispatched() {
        for eviction in [Eviction::Silent, Eviction::Idle] {
            let listen = Listen::Tcp(std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into());
            let listener = Listener::bind("test", &listen).await.expect("a free port");
            let address = listener.local_addr().to_string();
            let queued: Vec<_> = (0..300).map(|_| std::net::TcpStream::connect(&address).expect("queued")).collect();
            let slots = ConnectionSlots::new(200, eviction);
            let mut counting = Counting::default();
            let acceptor = Acceptor { listener, slots, options: SocketOptions::default() };
            acceptor.run(&mut counting, ready(())).await;
            assert_eq!((counting.served.len(), counting.refused), (200, queued.len() - 200), "{eviction:?}");
        }
    }
}
