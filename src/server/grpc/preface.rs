//! Reads the first bytes of a connection: the HTTP/2 preface, or something else, and then the connection is closed.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The first bytes of every HTTP/2 client.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// The preface.
    Http2,
    /// An HTTP/1 request, which has been answered.
    Http1,
    /// Something else, or a part of the preface.
    Other,
    /// Nothing: the peer closed the connection without sending anything, as TCP health checks do.
    Nothing,
}

/// The response to an HTTP/1 request, which a browser or curl shows.
const HTTP1_RESPONSE: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\n\
    content-length: 41\r\nconnection: close\r\n\r\nthis port serves only gRPC over HTTP/2.\r\n";

/// Reads exactly the preface, or what the peer sends until it differs from the preface or ends.
pub(super) async fn read(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Greeting {
    let mut buffer = [0; PREFACE.len()];
    let mut filled = 0;
    while filled < PREFACE.len() {
        match io.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) if filled == 0 => return Greeting::Nothing,
            Ok(0) | Err(_) => return Greeting::Other,
            Ok(n) => filled += n,
        }
        if buffer[..filled] != PREFACE[..filled] {
            // An HTTP method begins with a letter, a TLS ClientHello does not.
            if buffer[0].is_ascii_uppercase() {
                // An error means that the peer has closed the connection and needs no response.
                let _ = io.write_all(HTTP1_RESPONSE).await;
                let _ = io.shutdown().await;
                return Greeting::Http1;
            }
            return Greeting::Other;
        }
    }
    Greeting::Http2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `read` returns for a peer that sends `chunks` and closes, and the response that this peer gets.
    async fn answer(chunks: &[&[u8]]) -> (Greeting, Vec<u8>) {
        let (mut near, mut far) = tokio::io::duplex(1024);
        let peer = async move {
            for chunk in chunks {
                far.write_all(chunk).await.expect("room");
                tokio::task::yield_now().await;
            }
            far.shutdown().await.expect("shut down");
            let mut answer = Vec::new();
            far.read_to_end(&mut answer).await.expect("readable");
            answer
        };
        let server = async move { read(&mut near).await };
        tokio::join!(server, peer)
    }

    #[tokio::test]
    async fn the_preface_is_recognised_in_pieces_too() {
        assert_eq!(answer(&[PREFACE]).await, (Greeting::Http2, Vec::new()));
        let bytes: Vec<&[u8]> = PREFACE.chunks(1).collect();
        assert_eq!(answer(&bytes).await, (Greeting::Http2, Vec::new()));
    }

    #[tokio::test]
    async fn http1_is_answered() {
        let (greeting, answer) = answer(&[b"GET /healthcheck HTTP/1.1\r\n\r\n"]).await;
        assert_eq!(greeting, Greeting::Http1);
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 505 "), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    }

    #[tokio::test]
    async fn other_peers_get_no_response() {
        for peer in [&b"\x16\x03\x01\x02\x00"[..], b"PRI"] {
            assert_eq!(answer(&[peer]).await, (Greeting::Other, Vec::new()), "{peer:?}");
        }
        assert_eq!(answer(&[]).await, (Greeting::Nothing, Vec::new()));
    }
}
