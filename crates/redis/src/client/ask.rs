//! Commands for diagnosis, which counting does not need. A server may refuse them.

use std::time::{Duration, SystemTime};

use super::{Client, Command, Reply, ReplyLimit, unreadable};
use crate::CallError;

/// The slot whose node runs the command in a cluster. The choice does not matter.
const SLOT: Option<u16> = Some(0);

impl Client {
    /// The server's clock.
    ///
    /// # Errors
    /// If the server does not answer, or refuses the command.
    pub async fn time(&self) -> Result<SystemTime, CallError> {
        let (reply, _) = self.run(SLOT, Command::new(&[b"TIME"], ReplyLimit::SHORT)).await?;
        let time = match &reply {
            Reply::List(parts) => match parts.as_slice() {
                [Reply::Bytes(seconds), Reply::Bytes(micros)] => number(seconds).zip(number(micros)),
                _ => None,
            },
            _ => None,
        };
        let (seconds, micros) = time.ok_or_else(|| unreadable("TIME", &reply))?;
        let since = Duration::from_secs(seconds).checked_add(Duration::from_micros(micros));
        since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)).ok_or_else(|| unreadable("TIME", &reply))
    }

    /// A section of INFO: `name:value` lines.
    ///
    /// # Errors
    /// If the server does not answer, or refuses the command.
    pub async fn info(&self, section: &str) -> Result<String, CallError> {
        let (reply, _) = self.run(SLOT, Command::new(&[b"INFO", section.as_bytes()], ReplyLimit::SHORT)).await?;
        match reply {
            Reply::Bytes(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            other => Err(unreadable("INFO", &other)),
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
