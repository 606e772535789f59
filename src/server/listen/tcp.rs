//! Binding a TCP port.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

use super::{BindError, Host, HostPort};

/// How many connections may wait to be accepted; the kernel reduces it to `somaxconn`.
pub(super) const BACKLOG: i32 = 4096;

/// Listens on a host and port, and returns the bound address. If a host name has several addresses, the first that can
/// be bound is used, IPv4 before IPv6. `::` accepts IPv4 too, and becomes `0.0.0.0` on a machine without IPv6.
///
/// # Errors
/// If the host name cannot be resolved, or none of its addresses can be bound.
pub(super) async fn bind(at: &HostPort) -> Result<(TcpListener, SocketAddr), BindError> {
    let name = match &at.host {
        Host::Any => return bind_ip(Ipv6Addr::UNSPECIFIED.into(), at.port),
        Host::Ip(ip) => return bind_ip(*ip, at.port),
        Host::Name(name) => name.as_str(),
    };
    let unresolved = |error| BindError::Resolve { host: name.to_owned(), error };
    let mut addresses: Vec<_> = lookup_host((name, at.port)).await.map_err(unresolved)?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut last_error = unresolved(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
    for address in addresses {
        match bind_address(address) {
            Ok(bound) => return Ok(bound),
            Err(error) => last_error = BindError::Tcp { address, error },
        }
    }
    Err(last_error)
}

fn bind_ip(ip: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr), BindError> {
    let address = SocketAddr::new(ip, port);
    match bind_address(address) {
        Err(error) if ip == Ipv6Addr::UNSPECIFIED && lacks_ipv6(&error) => {
            tracing::warn!("this machine has no IPv6 ({error}): listening on 0.0.0.0:{port} instead of {address}");
            let address = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
            bind_address(address).map_err(|error| BindError::Tcp { address, error })
        }
        bound => bound.map_err(|error| BindError::Tcp { address, error }),
    }
}

/// Whether the machine has no IPv6: EAFNOSUPPORT if the kernel does not support it, EADDRNOTAVAIL if it is turned off.
fn lacks_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn bind_address(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // The default of this option depends on the system; `::` must accept IPv4.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let local = listener.local_addr()?;
    Ok((listener, local))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Host {
        Host::Ip(text.parse().expect("an address"))
    }

    fn name(text: &str) -> Host {
        Host::Name(text.to_owned())
    }

    async fn bound(host: Host) -> SocketAddr {
        let (_, address) = bind(&HostPort { host, port: 0 }).await.expect("a free port");
        address
    }

    #[tokio::test]
    async fn hosts_of_every_kind() {
        assert_eq!(bound(ip("127.0.0.1")).await.ip(), Ipv4Addr::LOCALHOST);
        assert_eq!(bound(name("localhost")).await.ip(), Ipv4Addr::LOCALHOST, "IPv4 first");
        for wildcard in [ip("::"), Host::Any] {
            assert!(bound(wildcard.clone()).await.ip().is_unspecified(), "{wildcard:?}");
        }
    }

    #[tokio::test]
    async fn the_ipv6_wildcard_accepts_ipv4() {
        let (listener, address) = bind(&HostPort { host: ip("::"), port: 0 }).await.expect("a free port");
        let client = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, address.port()));
        let (accepted, connected) = tokio::join!(listener.accept(), client);
        accepted.expect("accepted");
        connected.expect("connected");
    }

    #[tokio::test]
    async fn errors_name_the_address_and_the_cure() {
        let error =
            async |host, port| bind(&HostPort { host, port }).await.expect_err("it cannot be bound").to_string();
        let (_listener, taken) = bind(&HostPort { host: ip("127.0.0.1"), port: 0 }).await.expect("a free port");
        let text = error(ip("127.0.0.1"), taken.port()).await;
        assert!(text.contains(&taken.to_string()) && text.contains("set another port"), "{text}");
        let text = error(ip("192.0.2.1"), 0).await;
        assert!(text.contains("192.0.2.1:0") && text.contains("an address of this machine"), "{text}");
        let text = error(name("no.such.host.invalid"), 1).await;
        assert!(text.contains("\"no.such.host.invalid\""), "{text}");
    }
}
