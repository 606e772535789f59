//! A plain connection to Redis: commands as bytes, and the few kinds of replies to them.

use std::{io, net::SocketAddr, time::Duration};

use redis::{Address, Credentials, HostPort};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{PATIENCE, RedisError, stats::CommandStats};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection, with bytes that were read in advance.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) async fn to(address: SocketAddr) -> Result<Self, RedisError> {
        let address = Address::Tcp(HostPort { host: address.ip().to_string(), port: address.port() });
        Self::open(&address, &Credentials::None, 0).await
    }

    pub(super) async fn open(address: &Address, credentials: &Credentials, database: u32) -> Result<Self, RedisError> {
        timeout(PATIENCE, Self::connect(address, credentials, database)).await.map_err(|_| RedisError::Unreachable)?
    }

    async fn connect(address: &Address, credentials: &Credentials, database: u32) -> Result<Self, RedisError> {
        let stream: Box<dyn Stream> = match address {
            Address::Tcp(HostPort { host, port }) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        };
        let mut connection = Self { stream, read: Vec::new() };
        match credentials {
            Credentials::None => {}
            Credentials::Fixed { user: None, password } => {
                connection.ask(&[&["AUTH", password.expose()]]).await.map_err(only_the_code)?;
            }
            Credentials::Fixed { user: Some(user), password } => {
                connection.ask(&[&["AUTH", user, password.expose()]]).await.map_err(only_the_code)?;
            }
            Credentials::File(_) => return Err(RedisError::Topology),
        }
        if database > 0 {
            connection.ask(&[&["SELECT", &database.to_string()]]).await?;
        }
        Ok(connection)
    }

    /// The CPU time that the server has used, according to itself.
    pub(crate) async fn cpu_time(&mut self) -> Result<Duration, RedisError> {
        let info = self.ask(&[&["INFO", "cpu"]]).await?;
        let seconds = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|value| value.trim().parse::<f64>().ok())
        };
        match (seconds("used_cpu_user"), seconds("used_cpu_sys")) {
            (Some(user), Some(system)) => Ok(Duration::from_secs_f64(user + system)),
            _ => Err(RedisError::Refused("no used_cpu_user in INFO".to_owned())),
        }
    }

    /// The server's name and version.
    pub(crate) async fn version(&mut self) -> Result<String, RedisError> {
        let info = self.ask(&[&["INFO", "server"]]).await?;
        let field =
            |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let of = |name: &str, version: &str| format!("{name} {version}");
        let known = field("valkey_version").map(|version| of("Valkey", version));
        Ok(known.or_else(|| field("redis_version").map(|version| of("Redis", version))).unwrap_or_default())
    }

    /// The statistics of all commands.
    pub(crate) async fn command_stats(&mut self) -> Result<CommandStats, RedisError> {
        Ok(CommandStats::parse(&self.ask(&[&["INFO", "commandstats"]]).await?))
    }

    /// Sends commands and waits for all replies. Returns the last one if it is text.
    pub(super) async fn ask(&mut self, commands: &[&[&str]]) -> Result<String, RedisError> {
        let mut bytes = Vec::new();
        for words in commands {
            push_command(&mut bytes, words);
        }
        self.send(&bytes).await?;
        timeout(PATIENCE, self.receive(commands.len())).await.map_err(|_| RedisError::Silent)?
    }

    /// Sends encoded commands.
    pub(super) async fn send(&mut self, commands: &[u8]) -> Result<(), RedisError> {
        Ok(self.stream.write_all(commands).await?)
    }

    /// Waits for this many replies, however long they take. Returns the last one if it is text.
    pub(super) async fn receive(&mut self, replies: usize) -> Result<String, RedisError> {
        let mut last = String::new();
        for _ in 0..replies {
            let (text, used) = loop {
                match reply(&self.read) {
                    Some(reply) => break reply,
                    None if self.stream.read_buf(&mut self.read).await? == 0 => {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                    }
                    None => {}
                }
            };
            last = text.map_err(RedisError::Refused)?;
            self.read.drain(..used);
        }
        Ok(last)
    }
}

/// Reduces the error of a rejected login to its code, because the text may contain the password.
fn only_the_code(error: RedisError) -> RedisError {
    match error {
        RedisError::Refused(text) => {
            RedisError::Refused(format!("AUTH: {}", text.split(' ').next().unwrap_or_default()))
        }
        other => other,
    }
}

/// Appends an encoded command.
pub(super) fn push_command(into: &mut Vec<u8>, words: &[impl AsRef<[u8]>]) {
    into.extend(format!("*{}\r\n", words.len()).bytes());
    for word in words.iter().map(AsRef::as_ref) {
        into.extend(format!("${}\r\n", word.len()).bytes());
        into.extend_from_slice(word);
        into.extend_from_slice(b"\r\n");
    }
}

/// The reply at the start of `bytes` and its length, if it is complete. None of the commands returns an array.
fn reply(bytes: &[u8]) -> Option<(Result<String, String>, usize)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = String::from_utf8_lossy(bytes.get(1..end)?).into_owned();
    let after = end + 2;
    match bytes[0] {
        b'+' | b':' => Some((Ok(line), after)),
        b'-' => Some((Err(line), after)),
        b'$' => {
            let Ok(length) = line.parse::<usize>() else { return Some((Ok(String::new()), after)) };
            let text = bytes.get(after..after + length)?;
            bytes.get(after + length..after + length + 2)?;
            Some((Ok(String::from_utf8_lossy(text).into_owned()), after + length + 2))
        }
        _ => Some((Err(format!("a reply of a kind that was not asked for: {line}")), after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_parsed_once_they_are_complete() {
        let text = |text: &str| Ok(text.to_owned());
        for (bytes, expected) in [
            (&b":12\r\n:1\r\n"[..], Some((text("12"), 5))),
            (b"+OK\r\n", Some((text("OK"), 5))),
            (b"-ERR no\r\n", Some((Err("ERR no".to_owned()), 9))),
            (b"$5\r\na\r\nbc\r\nrest", Some((text("a\r\nbc"), 11))),
            (b"$-1\r\n", Some((text(""), 5))),
            (b"$5\r\nabcde\r", None),
            (b":12\r", None),
            (b"", None),
        ] {
            assert_eq!(reply(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
        assert!(matches!(reply(b"*1\r\n:1\r\n"), Some((Err(_), 4))));
    }

    #[test]
    fn the_error_of_a_rejected_login_has_no_password() {
        let refused = |text: &str| only_the_code(RedisError::Refused(text.to_owned())).to_string();
        assert!(refused("ERR unknown command 'AUTH', with args beginning with: 's3cr'").ends_with("AUTH: ERR"));
        assert!(refused("WRONGPASS invalid s3cr").ends_with("AUTH: WRONGPASS"));
    }

    #[test]
    fn commands_are_arrays_of_strings() {
        let mut bytes = Vec::new();
        push_command(&mut bytes, &["INCRBY", "ké", "1"]);
        assert_eq!(String::from_utf8(bytes).as_deref(), Ok("*3\r\n$6\r\nINCRBY\r\n$3\r\nké\r\n$1\r\n1\r\n"));
    }
}
