//! The I/O of a lane: its connection, which is re-established when it ends.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::{
    alarm::Alarm,
    lane::{Calls as _, Lane, Shared},
    session::{End, Session},
    tally::Tally,
};
use crate::target::Resolved;

/// The interval at which requests that could not be sent in time are failed.
const BETWEEN_CHECKS: Duration = Duration::from_millis(50);

const FIRST_DELAY: Duration = Duration::from_millis(10);
const MAX_DELAY: Duration = Duration::from_secs(1);

/// The work of one connection, with the tally of its thread.
pub(crate) struct Driver<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) resolved: &'a Resolved,
    pub(crate) tally: &'a Mutex<Tally>,
    pub(crate) lane: Lane,
}

impl Driver<'_> {
    /// Runs until all requests are done. `first` was opened before the start of the run.
    pub(crate) async fn run(mut self, first: Session) -> io::Result<()> {
        let mut alarm = Alarm::new()?;
        let mut checks = interval(BETWEEN_CHECKS);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut session = Some(first);
        while let Some(mut current) = session.take() {
            {
                let mut tally = self.tally();
                let most = current.max_streams();
                tally.connections.opened += 1;
                tally.connections.max_streams =
                    Some(tally.connections.max_streams.map_or(most, |other| other.min(most)));
            }
            match self.serve(&mut current, &mut alarm, &mut checks).await? {
                None => return Ok(()),
                Some(End::Retired) => self.tally().connections.retired += 1,
                Some(End::Lost(_)) => self.tally().connections.lost += 1,
            }
            session = self.reconnect().await;
        }
        Ok(())
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends requests and receives responses until the connection ends, and returns the reason; `None` once all
    /// requests are done.
    async fn serve(
        &mut self,
        session: &mut Session,
        alarm: &mut Alarm,
        checks: &mut Interval,
    ) -> io::Result<Option<End>> {
        loop {
            let now = Instant::now();
            self.lane.send(session, now, &mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
            if session.in_flight() == 0 {
                if self.lane.is_done(now) {
                    return Ok(None);
                }
                if let Some(end) = session.end() {
                    return Ok(Some(end.clone()));
                }
            }
            let (next, goes_on) = (self.lane.alarm(session), session.end().is_none());
            tokio::select! {
                biased;
                ended = session.step(goes_on) => if let Some((ticket, reply)) = ended {
                    let (now, mut tally) = (Instant::now(), self.tally());
                    self.lane.ended(ticket, &reply, now, &mut tally);
                    // responses that arrived together share one reading of the clock and one lock
                    while let Some((ticket, reply)) = session.ended_call_now() {
                        self.lane.ended(ticket, &reply, now, &mut tally);
                    }
                },
                fired = wait(alarm, next), if next.is_some() => fired?,
                _ = checks.tick() => {}
            }
        }
    }

    /// Opens another connection; `None` if no requests are left for it.
    async fn reconnect(&mut self) -> Option<Session> {
        let since = Instant::now();
        let mut delay = FIRST_DELAY;
        loop {
            let goes_on = {
                let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
                self.lane.wait_for_connection(Instant::now(), since, &mut tally)
            };
            if !goes_on {
                return None;
            }
            match Session::open(self.resolved, &self.shared.authority).await {
                Ok(session) => return Some(session),
                Err(_) => {
                    self.tally().connections.refused += 1;
                    sleep(delay).await;
                    delay = (delay * 2).min(MAX_DELAY);
                }
            }
        }
    }
}

async fn wait(alarm: &mut Alarm, at: Option<Instant>) -> io::Result<()> {
    match at {
        Some(at) => alarm.wait(at).await,
        None => Ok(()),
    }
}
