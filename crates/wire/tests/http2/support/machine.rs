//! A connection without a socket: bytes in, frames out, and a clock that tests control.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};

use wire::{Config, Connection, ErrorCode, Event, Scratch, Turn};

use super::{
    frames::{Frame, GOAWAY, RST_STREAM, settings, settings_ack, take_frames},
    handler::{Remote, TestHandler},
};

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// A connection with the state of its driver.
#[derive(Debug)]
pub struct Machine {
    pub connection: Connection<TestHandler>,
    pub config: Arc<Config>,
    pub now: Instant,
    /// How many calls begin before waiting ones are polled.
    pub calls: u32,
    /// Bytes received but not handled yet.
    pub input: Vec<u8>,
    woken: Arc<Woken>,
    scratch: Scratch,
    out: Vec<u8>,
    sent: Vec<u8>,
}

impl Machine {
    /// A connection that has received no SETTINGS.
    pub fn silent(config: Config) -> Self {
        let config = Arc::new(config);
        let now = Instant::now();
        let mut connection = Connection::new(TestHandler::default(), Arc::clone(&config), now);
        let mut sent = Vec::new();
        connection.start(&mut sent);
        Self {
            connection,
            calls: config.calls_a_turn,
            config,
            now,
            input: Vec::new(),
            woken: Arc::default(),
            scratch: Scratch::default(),
            out: Vec::new(),
            sent,
        }
    }

    /// A connection after the exchange of SETTINGS.
    pub fn with(config: Config) -> Self {
        let mut machine = Self::silent(config);
        machine.send(&[settings(&[]), settings_ack()].concat());
        machine
    }

    pub fn new() -> Self {
        Self::with(Config::default())
    }

    /// Receives these bytes; returns the frames sent in response.
    pub fn send(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.input.extend_from_slice(bytes);
        self.run();
        self.frames()
    }

    /// Handles everything received, as a driver does.
    pub fn run(&mut self) {
        loop {
            let mut turn = Turn { now: self.now, out: &mut self.out, scratch: &mut self.scratch, calls: self.calls };
            let done = self.connection.receive(&self.input, &mut turn);
            let waker = Waker::from(Arc::clone(&self.woken));
            let cx = &mut Context::from_waker(&waker);
            if self.woken.0.swap(false, Relaxed) {
                self.connection.poll(cx, &mut turn);
            } else if self.connection.wants_poll() {
                self.connection.proceed(cx, &mut turn);
            }
            self.input.drain(..done);
            assert!(self.out.len() <= 160 << 10, "a turn ends when enough waits to be sent");
            let has_sent = !self.out.is_empty();
            self.sent.append(&mut self.out);
            if self.connection.is_over() || done == 0 && !has_sent && !self.connection.wants_poll() {
                break;
            }
        }
    }

    /// The bytes sent since the last time.
    pub fn bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    /// The frames sent since the last time.
    pub fn frames(&mut self) -> Vec<Frame> {
        let mut bytes = self.bytes();
        let frames = take_frames(&mut bytes);
        assert!(bytes.is_empty(), "what is sent has whole frames: {frames:?} and {bytes:?}");
        frames
    }

    /// Answers the waiting calls.
    pub fn wake(&mut self) -> Vec<Frame> {
        self.remote().wake();
        self.send(&[])
    }

    /// Begins the graceful end; its acknowledgement is waited for for a second.
    pub fn shut_down(&mut self) -> Vec<Frame> {
        self.shut_down_within(Duration::from_secs(1))
    }

    pub fn shut_down_within(&mut self, patience: Duration) -> Vec<Frame> {
        let mut turn = Turn { now: self.now, out: &mut self.out, scratch: &mut self.scratch, calls: self.calls };
        self.connection.shut_down(patience, &mut turn);
        self.send(&[])
    }

    /// Advances the clock, and ends what is due by then.
    pub fn pass(&mut self, time: Duration) -> Vec<Frame> {
        self.now += time;
        if self.connection.deadline().is_some_and(|due| due <= self.now) {
            let mut turn = Turn { now: self.now, out: &mut self.out, scratch: &mut self.scratch, calls: self.calls };
            self.connection.expire(&mut turn);
            let due = self.connection.deadline();
            assert!(due.is_none_or(|due| due > self.now), "what is due must not be due again at once");
        }
        self.send(&[])
    }

    pub fn handler(&mut self) -> &mut TestHandler {
        self.connection.handler()
    }

    pub fn remote(&mut self) -> Arc<Remote> {
        Arc::clone(&self.handler().remote)
    }

    /// The error with which the connection was closed, if it was.
    pub fn closed(&mut self) -> Option<(ErrorCode, &'static str)> {
        self.remote().events().into_iter().find_map(|event| match event {
            Event::Closed { code, why } => Some((code, why)),
            _ => None,
        })
    }
}

/// The error code of the last frame, if it is a GOAWAY for an error.
pub fn goaway(frames: &[Frame]) -> Option<ErrorCode> {
    frames.last().filter(|frame| frame.kind == GOAWAY).map(|frame| ErrorCode(frame.number(4)))
}

/// The error code with which a stream was reset, if it was.
pub fn reset_code(frames: &[Frame], stream: u32) -> Option<ErrorCode> {
    frames.iter().find(|frame| frame.is(RST_STREAM, stream)).map(|frame| ErrorCode(frame.number(0)))
}
