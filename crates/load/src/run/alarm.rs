//! A timer with a resolution of microseconds. tokio's timers count milliseconds, in each of which a hundred requests
//! may be due.

use std::{io, time::Instant};

/// A timer of one task. It must be used on the runtime that created it.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Alarm {
    timer: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
    armed: Option<Instant>,
}

#[cfg(target_os = "linux")]
impl Alarm {
    /// Creates a timer on the current runtime.
    ///
    /// # Errors
    /// If the system has no more of them.
    pub fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for descriptors that others may close; this one is owned"
        )]
        let timer = tokio::io::unix::AsyncFd::with_interest(timer, tokio::io::Interest::READABLE)?;
        Ok(Self { timer, armed: None })
    }

    /// Waits until `at`. Cancel-safe: it can be called again, also with another instant.
    ///
    /// # Errors
    /// If the timer fails.
    pub async fn wait(&mut self, at: Instant) -> io::Result<()> {
        if self.armed != Some(at) {
            let now = Instant::now();
            if at <= now {
                return Ok(());
            }
            self.arm(at - now)?;
            self.armed = Some(at);
        }
        loop {
            let mut ready = self.timer.readable().await?;
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut [0; 8])?));
            if let Ok(read) = read {
                self.armed = None;
                return read.map(drop);
            }
        }
    }

    /// Replaces the previous instant, even if it has passed meanwhile.
    fn arm(&self, after: std::time::Duration) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        let overflow = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let it_value = Timespec::try_from(after).map_err(overflow)?;
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

/// On other systems, with a resolution of a millisecond.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// Creates a timer.
    ///
    /// # Errors
    /// Never.
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits until `at`.
    ///
    /// # Errors
    /// Never.
    pub async fn wait(&mut self, at: Instant) -> io::Result<()> {
        tokio::time::sleep_until(at.into()).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_timer_never_fires_early_and_can_be_set_again() {
        let mut alarm = Alarm::new().expect("a timer");
        let start = Instant::now();
        let (far, near) = (start + Duration::from_secs(3600), start + Duration::from_micros(300));
        tokio::select! {
            biased;
            _ = alarm.wait(far) => unreachable!("an hour has not passed"),
            () = std::future::ready(()) => {}
        }
        alarm.wait(near).await.expect("a timer");
        assert!(Instant::now() >= near);
        alarm.wait(near).await.expect("an instant in the past fires at once");
        for nth in 1..20 {
            let at = near + Duration::from_micros(100 * nth);
            alarm.wait(at).await.expect("a timer");
            assert!(Instant::now() >= at);
        }
    }
}
