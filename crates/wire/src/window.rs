//! Flow control (RFC 9113, section 5.2).

/// The largest window.
pub(crate) const MAX_WINDOW: i64 = 0x7fff_ffff;

/// How much may be sent to the peer, on a stream or on the connection. Negative if SETTINGS have reduced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendWindow(i64);

/// A window would exceed 2^31-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

impl SendWindow {
    pub(crate) fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    /// How many bytes may be sent now.
    pub(crate) fn room(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// Uses this many bytes, for which there must be room.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.0 -= i64::try_from(bytes).unwrap_or(MAX_WINDOW);
    }

    /// Enlarges or reduces the window.
    pub(crate) fn change(&mut self, by: i64) -> Result<(), Overflow> {
        let size = self.0 + by;
        if size > MAX_WINDOW {
            return Err(Overflow);
        }
        self.0 = size;
        Ok(())
    }
}

/// How much the peer may send, on a stream or on the connection, and how much can be returned to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceiveWindow {
    left: u32,
    returned: u32,
}

impl ReceiveWindow {
    pub(crate) fn new(size: u32) -> Self {
        Self { left: size, returned: 0 }
    }

    /// Subtracts what the peer has sent.
    pub(crate) fn receive(&mut self, bytes: u32) -> Result<(), Overflow> {
        self.left = self.left.checked_sub(bytes).ok_or(Overflow)?;
        Ok(())
    }

    /// Records that this many of the received bytes are no longer held.
    pub(crate) fn give_back(&mut self, bytes: u32) {
        self.returned += bytes;
    }

    /// The increment of a WINDOW_UPDATE if one is due: once the peer has no more left than can be returned. That is at
    /// half of the window, or later if the rest is held, so that a peer always gets what it needs to complete a
    /// request.
    pub(crate) fn update(&mut self) -> Option<u32> {
        if self.returned == 0 || self.returned < self.left {
            return None;
        }
        let increment = std::mem::take(&mut self.returned);
        self.left += increment;
        Some(increment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_window_can_be_negative_but_not_overflow() {
        let mut window = SendWindow::new(10);
        window.spend(10);
        window.change(-5).expect("smaller");
        assert_eq!((window, window.room()), (SendWindow(-5), 0));
        window.change(7).expect("larger");
        assert_eq!(window.room(), 2);
        assert_eq!(window.change(MAX_WINDOW - 1), Err(Overflow));
        assert_eq!(window.room(), 2);
    }

    #[test]
    fn a_receive_window_is_returned_in_halves() {
        let mut window = ReceiveWindow::new(100);
        window.receive(49).expect("room");
        assert_eq!(window.receive(52), Err(Overflow));
        window.give_back(49);
        assert_eq!(window.update(), None);
        window.receive(1).expect("room");
        window.give_back(1);
        assert_eq!(window.update(), Some(50));
        window.receive(100).expect("all of it again");
        assert_eq!(window.receive(1), Err(Overflow));
    }

    #[test]
    fn held_bytes_do_not_delay_the_rest() {
        let mut window = ReceiveWindow::new(100);
        window.receive(70).expect("room");
        window.give_back(29);
        assert_eq!(window.update(), None, "30 are left");
        window.give_back(1);
        assert_eq!(window.update(), Some(30));
        window.receive(60).expect("room");
        window.give_back(1);
        assert_eq!(window.update(), Some(1), "nothing is left");
    }
}
