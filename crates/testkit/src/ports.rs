//! Ports for servers that cannot choose one themselves.

use std::sync::{Mutex, PoisonError};

use tokio::net::TcpSocket;

/// Sockets that are bound but never listen, until the test process ends.
static HELD: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());

/// A loopback port reserved for this test. A socket stays bound to it, so no other process gets the port, and
/// connecting to it is refused. A server that sets SO_REUSEADDR, as all servers here do, can listen on it, stop, and
/// listen again.
pub fn free_port() -> u16 {
    hold(0).expect("a free port")
}

/// Reserves a given port; `None` if it is taken.
pub fn hold(port: u16) -> Option<u16> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of every socket");
    socket.bind(([127, 0, 0, 1], port).into()).ok()?;
    let port = socket.local_addr().expect("it is bound").port();
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
    Some(port)
}
