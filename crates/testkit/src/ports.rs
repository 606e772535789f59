//! Ports for servers that cannot choose one themselves.

use std::sync::{Mutex, PoisonError};

use tokio::net::TcpSocket;

/// Sockets that are bound and never listen, until the test ends.
static HELD: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());

/// A port of the loopback that is this test's own. A socket stays bound to it: no other process is given the port, one that
/// connects is refused, and a server that sets SO_REUSEADDR, as all do here, can listen there, stop, and listen again.
pub fn free_port() -> u16 {
    hold(0).expect("a free port")
}

/// The same for a port of the caller's choice; `None` if it is taken.
pub fn hold(port: u16) -> Option<u16> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of every socket");
    socket.bind(([127, 0, 0, 1], port).into()).ok()?;
    let port = socket.local_addr().expect("it is bound").port();
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
    Some(port)
}
