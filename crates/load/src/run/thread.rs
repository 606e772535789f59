//! One thread of a run: its connections, on a current-thread runtime.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::sleep_until,
};

use super::{
    connection::Driver,
    lane::{Lane, Shared, Window},
    session::{ConnectError, Session},
    tally::Tally,
};
use crate::target::Resolved;

/// What a thread reports to the run.
pub(crate) enum Event {
    /// All its connections are established.
    Connected,
    /// A connection cannot be established.
    Unreachable(ConnectError),
    /// A runtime or a timer failed.
    Failed(String),
    /// It has finished its share of the load.
    Done(Box<Tally>),
}

/// One thread's share of the load.
pub(crate) struct Thread {
    pub(crate) number: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) resolved: Arc<Resolved>,
    pub(crate) events: mpsc::Sender<Event>,
}

impl Thread {
    /// Starts the thread. It connects, and waits for `started`.
    pub(crate) fn spawn(self, started: oneshot::Receiver<Window>) -> io::Result<()> {
        let name = format!("load-{}", self.number);
        std::thread::Builder::new().name(name).spawn(move || self.run(started)).map(drop)
    }

    fn run(self, started: oneshot::Receiver<Window>) {
        let events = self.events.clone();
        let last = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.load(started)),
            Err(error) => Some(Event::Failed(error.to_string())),
        };
        if let Some(last) = last {
            // the run has ended already if another thread could not connect
            let _ = events.blocking_send(last);
        }
    }

    /// Connects, waits for the start, and generates load. `None` if there was no start.
    async fn load(self, started: oneshot::Receiver<Window>) -> Option<Event> {
        let mut sessions = Vec::new();
        for nth in self.shared.config.connections_of(self.number) {
            match Session::open(&self.resolved, &self.shared.authority).await {
                Ok(session) => sessions.push((nth, session)),
                Err(error) => return Some(Event::Unreachable(error)),
            }
        }
        self.events.send(Event::Connected).await.ok()?;
        let window = started.await.ok()?;
        sleep_until(window.start.into()).await;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let mut drivers = JoinSet::new();
        for (nth, session) in sessions {
            let (shared, resolved, tally) = (Arc::clone(&self.shared), Arc::clone(&self.resolved), Arc::clone(&tally));
            drivers.spawn(async move {
                let lane = Lane::new(&shared, window, nth);
                Driver { shared: &shared, resolved: &resolved, tally: &tally, lane }.run(session).await
            });
        }
        while let Some(ended) = drivers.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(Event::Failed(error.to_string())),
                Err(error) => return Some(Event::Failed(error.to_string())),
            }
        }
        let tally = std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner));
        Some(Event::Done(Box::new(tally)))
    }
}
