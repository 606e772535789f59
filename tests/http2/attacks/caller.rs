//! A well-behaved caller: one call after another, two hundred per second if none takes longer than five milliseconds,
//! with the latency of each.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::messages::whole;
use testkit::{
    PATIENCE,
    frames::{ACK, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame},
};

/// The interval between calls.
const INTERVAL: Duration = Duration::from_millis(5);

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Where calls go, and how connections are secured.
#[derive(Clone)]
pub struct To {
    pub address: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
}

/// An HTTP/2 connection with blocking reads.
pub struct Connection {
    stream: Box<dyn Stream>,
    to: To,
    /// The stream of the last call.
    number: u32,
    /// Whether the other end has sent GOAWAY.
    is_going: bool,
}

impl Connection {
    pub fn open(to: To) -> io::Result<Self> {
        let tcp = TcpStream::connect(to.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let mut stream: Box<dyn Stream> = match &to.tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = "ratelimit".try_into().expect("a name");
                let client = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(client, tcp))
            }
        };
        let hello = [
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
            &frame(SETTINGS, 0, 0, &[]),
            &frame(WINDOW_UPDATE, 0, 0, &[0x3f, 0xff, 0xff, 0xff]),
        ];
        stream.write_all(&hello.concat())?;
        Ok(Self { stream, to, number: 0, is_going: false })
    }

    /// Makes the other end work a little, this many times.
    pub fn pings(&mut self, times: u32) -> io::Result<()> {
        for _ in 0..times {
            self.stream.write_all(&frame(PING, 0, 0, b"answer..").repeat(25))?;
            for _ in 0..25 {
                while self.next()?.0 != (PING, ACK) {}
            }
        }
        Ok(())
    }

    /// Makes a call, on a new connection if this one has received GOAWAY.
    fn call(&mut self) -> Result<(), String> {
        if self.is_going {
            self.again()?;
        }
        match self.one_call() {
            // it was not accepted
            Err(_) if self.is_going => {
                self.again()?;
                self.one_call()
            }
            called => called,
        }
    }

    fn again(&mut self) -> Result<(), String> {
        *self = Self::open(self.to.clone()).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn one_call(&mut self) -> Result<(), String> {
        self.number = if self.number == 0 { 1 } else { self.number + 2 };
        self.stream.write_all(&whole(self.number)).map_err(|error| error.to_string())?;
        loop {
            let ((kind, flags), stream, payload) = self.next().map_err(|error| error.to_string())?;
            match kind {
                GOAWAY if payload[7] != 0 => return Err(format!("GOAWAY {}", payload[7])),
                RST_STREAM if stream == self.number => return Err(format!("RST_STREAM {}", payload[3])),
                // a status of 0 is last in the trailers of an answer
                HEADERS if flags & END_STREAM != 0 && payload.ends_with(b"0") => return Ok(()),
                HEADERS if flags & END_STREAM != 0 => return Err(format!("{payload:x?}")),
                _ => {}
            }
        }
    }

    /// Reads the next frame: type and flags, stream, payload. Acknowledges it if necessary.
    fn next(&mut self) -> io::Result<((u8, u8), u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        self.stream.read_exact(&mut payload)?;
        match kind {
            SETTINGS if flags & ACK == 0 => self.stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
            PING if flags & ACK == 0 => self.stream.write_all(&frame(PING, ACK, 0, &payload))?,
            GOAWAY => self.is_going = true,
            _ => {}
        }
        Ok(((kind, flags), u32::from_be_bytes([s0, s1, s2, s3]), payload))
    }
}

/// The results of a caller over some time.
#[derive(Default)]
pub struct Calls {
    pub took: Vec<Duration>,
    pub errors: Vec<String>,
}

impl Calls {
    pub fn len(&self) -> usize {
        self.took.len() + self.errors.len()
    }

    /// A quantile in milliseconds; NaN if there are no calls.
    pub fn quantile(&self, of_a_hundred: usize) -> f64 {
        let mut took = self.took.clone();
        took.sort_unstable();
        let at = (took.len() * of_a_hundred).div_ceil(100).max(1) - 1;
        took.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    }
}

#[derive(Default)]
struct Shared {
    calls: Mutex<Calls>,
    more: Condvar,
    stop: AtomicBool,
}

/// Makes calls until it is dropped.
pub struct Caller {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Caller {
    pub fn start(mut connection: Connection) -> Self {
        let shared = Arc::<Shared>::default();
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut due = Instant::now();
                while !shared.stop.load(Relaxed) {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let since = Instant::now();
                    let called = connection.call();
                    // calls that this one has delayed are skipped
                    due = (due + INTERVAL).max(Instant::now());
                    let failed = called.is_err();
                    let mut calls = shared.calls.lock().expect("no panic");
                    match called {
                        Ok(()) => calls.took.push(since.elapsed()),
                        Err(error) => calls.errors.push(error),
                    }
                    drop(calls);
                    shared.more.notify_all();
                    if failed && connection.again().is_err() {
                        return;
                    }
                }
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// Waits until this many more calls have ended.
    pub fn wait_for(&self, more: usize) {
        let calls = self.shared.calls.lock().expect("no panic");
        let enough = calls.len() + more;
        let waited = self.shared.more.wait_timeout_while(calls, PATIENCE, |calls| calls.len() < enough);
        assert!(!waited.expect("no panic").1.timed_out(), "no answer in time");
    }

    /// The results since the last time, including the call in flight.
    pub fn take(&self) -> Calls {
        self.wait_for(1);
        std::mem::take(&mut *self.shared.calls.lock().expect("no panic"))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}
