//! Decodes the reply of the script into verdicts.

use smallvec::SmallVec;

use super::{Entry, GroupError, ReplyError, Server, named::NamedWindow, script::STATE_BYTES};
use limiter::{
    algorithm::{self, Held, State},
    domain::{Timestamp, Verdict},
};

/// The outcome of one entry: for each time that it was settled, in order, a verdict for each hit.
pub type Answer = Result<SmallVec<[SmallVec<[Verdict; 1]>; 1]>, GroupError>;

/// The time by the Redis server, and one answer for each of the entries, in order, from the reply to their
/// [`Call`](super::Call), which was made for `server`.
///
/// # Errors
/// If the bytes are no such reply. An error of one counter is in the answer of its group.
pub fn decode(entries: &[Entry], server: &Server, reply: &[u8]) -> Result<(Timestamp, Vec<Answer>), ReplyError> {
    let mut reader = Reader { reply, at: 0 };
    let now = reader.number()?;
    if !(0.0..=Timestamp::MAX.as_f64()).contains(&now) {
        return Err(ReplyError::Time(now));
    }
    let now = Timestamp::from_micros(now as u64);
    let mut answers = Vec::with_capacity(entries.len());
    for entry in entries {
        answers.push(reader.answer(entry, server, now)?);
    }
    if reader.at < reply.len() {
        return Err(ReplyError::Long { used: reader.at, length: reply.len() });
    }
    Ok((now, answers))
}

/// A counter as the script found it, and whether the script wrote it.
struct Found {
    state: Option<State>,
    written: bool,
}

struct Reader<'a> {
    reply: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, wanted: usize) -> Result<&'a [u8], ReplyError> {
        let short = ReplyError::Short { at: self.at, wanted, length: self.reply.len() };
        let end = self.at.checked_add(wanted).ok_or_else(|| short.clone())?;
        let bytes = self.reply.get(self.at..end).ok_or(short)?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReplyError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn number(&mut self) -> Result<f64, ReplyError> {
        self.array().map(f64::from_le_bytes)
    }

    /// A byte that is at most `most`.
    fn mark(&mut self, most: u8) -> Result<u8, ReplyError> {
        let at = self.at;
        let [byte] = self.array()?;
        if byte > most { Err(ReplyError::Mark { byte, at }) } else { Ok(byte) }
    }

    fn answer(&mut self, entry: &Entry, server: &Server, now: Timestamp) -> Result<Answer, ReplyError> {
        let refused = self.mark(1)? == 1;
        if refused {
            return self.refusal(entry).map(Err);
        }
        let (mut held, mut written) = (SmallVec::new(), SmallVec::<[bool; 4]>::new());
        let group = entry.group();
        for hit in entry.counters().first_hits() {
            let (found, window) = (self.found()?, NamedWindow::of(group, &group.hits[hit], server));
            held.push(Held::found(found.state).at(window.map(|window| window.clamp(now))));
            written.push(found.written);
        }
        Ok(derive(entry, group.now.unwrap_or(now), held, &written))
    }

    fn refusal(&mut self, entry: &Entry) -> Result<GroupError, ReplyError> {
        let counter = u32::from_le_bytes(self.array()?);
        let length = u32::from_le_bytes(self.array()?);
        let text = String::from_utf8_lossy(self.bytes(length as usize)?);
        let counters = entry.counters().len();
        match (counter as usize).checked_sub(1).filter(|counter| *counter < counters) {
            Some(counter) => Ok(GroupError::refused(entry.key(counter).clone(), &text)),
            None => Err(ReplyError::Counter { counter, counters }),
        }
    }

    fn found(&mut self) -> Result<Found, ReplyError> {
        let mark = self.mark(3)?;
        let state = if mark & 2 > 0 { Some(self.state()?) } else { None };
        Ok(Found { state, written: mark & 1 > 0 })
    }

    fn state(&mut self) -> Result<State, ReplyError> {
        const { assert!(STATE_BYTES == 3 * size_of::<f64>()) };
        Ok(State { time: self.number()?, current: self.number()?, previous: self.number()? })
    }
}

/// The verdicts of a group on the counters as they were found in Redis, where some were `written`.
pub(super) fn derive(entry: &Entry, now: Timestamp, mut held: SmallVec<[Held; 4]>, written: &[bool]) -> Answer {
    let group = entry.group();
    let mut verdicts = SmallVec::with_capacity(entry.times() as usize);
    for _ in 0..entry.times() {
        verdicts.push(match (group.hits.as_slice(), held.as_mut_slice()) {
            ([hit], [held]) => {
                let step = algorithm::settle_one(group, hit, held.now.unwrap_or(now), held.state);
                held.take_up(0, &step);
                SmallVec::from_buf([step.verdict])
            }
            (_, held) => algorithm::settle(group, now, entry.counters(), held),
        });
    }
    match held.iter().zip(written).position(|(held, written)| held.written_by.is_some() != *written) {
        Some(counter) => Err(GroupError::Diverged { key: entry.key(counter).clone() }),
        None => Ok(verdicts),
    }
}
