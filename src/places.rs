//! Places for peers, fewer than the peers that may want one. When all are taken and another wants one, whoever has let us
//! wait longest gives its place up, so that no number of silent peers keeps out one that speaks.
//!
//! Owns no task and knows no time: who takes a place says when it may be asked for it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Some places.
pub struct Places {
    free: Arc<Semaphore>,
    /// How many wait for a place.
    waiting: Mutex<usize>,
    /// As many permits as places are asked for: one for each who waits, less those for whom somebody goes already.
    asked_for: Semaphore,
}

/// A place, free again when this is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "it is held, not used")] OwnedSemaphorePermit);

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").field("free", &self.free.available_permits()).finish_non_exhaustive()
    }
}

impl Places {
    /// This many of them, all free.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            waiting: Mutex::new(0),
            asked_for: Semaphore::new(0),
        }
    }

    /// A place, if one is free.
    #[must_use]
    pub fn try_take(&self) -> Option<Place> {
        Arc::clone(&self.free).try_acquire_owned().ok().map(Place)
    }

    /// Takes a place: at once if one is free, else when it is this one's turn.
    pub async fn take(&self) -> Place {
        if let Some(place) = self.try_take() {
            return place;
        }
        let _asks = Asks::new(self);
        Place(Arc::clone(&self.free).acquire_owned().await.expect("never closed"))
    }

    /// Ends when whoever awaits this is to give its place up. Of several, the one who has awaited it longest.
    pub async fn asked_for(&self) {
        loop {
            self.asked_for.acquire().await.expect("never closed").forget();
            // whom it was for may have got another place, or given up, while it was on its way
            if self.waiting() > 0 {
                return;
            }
        }
    }

    fn waiting(&self) -> usize {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how many wait; then no more places are asked for than that.
    fn count(&self, change: impl FnOnce(&mut usize)) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *waiting;
        change(&mut waiting);
        if *waiting > before {
            self.asked_for.add_permits(*waiting - before);
        }
        self.asked_for.forget_permits(self.asked_for.available_permits().saturating_sub(*waiting));
    }
}

/// Somebody who waits for a place, until there is one or it gives up.
struct Asks<'a>(&'a Places);

impl<'a> Asks<'a> {
    fn new(places: &'a Places) -> Self {
        places.count(|waiting| *waiting += 1);
        Self(places)
    }
}

impl Drop for Asks<'_> {
    fn drop(&mut self) {
        self.0.count(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn taken(places: &Places) -> Place {
        match poll(pin!(places.take())) {
            Poll::Ready(place) => place,
            Poll::Pending => unreachable!("none is free"),
        }
    }

    #[test]
    fn while_there_are_places_nobody_is_asked() {
        let places = Places::new(2);
        let mut silent = pin!(places.asked_for());
        let _first = taken(&places);
        let second = taken(&places);
        assert!(poll(silent.as_mut()).is_pending() && places.try_take().is_none());
        drop(second);
        assert!(places.try_take().is_some());
    }

    /// The one who was asked hears of it only when the other has a place already.
    #[test]
    fn who_is_asked_too_late_stays() {
        let places = Places::new(2);
        let (speaks, _silent) = (taken(&places), taken(&places));
        let mut asked = pin!(places.asked_for());
        assert!(poll(asked.as_mut()).is_pending());
        {
            let mut waits = pin!(places.take());
            assert!(poll(waits.as_mut()).is_pending());
            drop(speaks);
            assert!(poll(waits.as_mut()).is_ready());
        }
        assert!(poll(asked.as_mut()).is_pending(), "nobody waits any more");
    }

    #[test]
    fn the_longest_silent_goes_and_no_more_than_are_wanted() {
        let places = Places::new(3);
        let mut held: Vec<_> = (0..3).map(|_| Some(taken(&places))).collect();
        let (mut first, mut second, mut third) =
            (pin!(places.asked_for()), pin!(places.asked_for()), pin!(places.asked_for()));
        for silent in [&mut first, &mut second, &mut third] {
            assert!(poll(silent.as_mut()).is_pending());
        }
        let (mut one, mut two) = (pin!(places.take()), pin!(places.take()));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        assert!(poll(third.as_mut()).is_pending());
        assert!(poll(first.as_mut()).is_ready() && poll(second.as_mut()).is_ready());
        held[0] = None;
        let place = poll(one.as_mut());
        assert!(place.is_ready() && poll(two.as_mut()).is_pending());
        held[1] = None;
        assert!(poll(two.as_mut()).is_ready());
    }

    #[test]
    fn who_gives_up_asks_no_more() {
        let places = Places::new(1);
        let _held = taken(&places);
        {
            let mut gives_up = pin!(places.take());
            assert!(poll(gives_up.as_mut()).is_pending());
        }
        assert!(poll(pin!(places.asked_for())).is_pending());
    }

    #[test]
    fn a_place_that_was_left_unasked_is_asked_for_no_more() {
        let places = Places::new(2);
        let (first, _second) = (taken(&places), taken(&places));
        let (mut one, mut two) = (pin!(places.take()), pin!(places.take()));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        drop(first);
        let place = poll(one.as_mut());
        assert!(place.is_ready() && poll(two.as_mut()).is_pending());
        // Two is there still, and whoever falls silent now goes for it, but one alone.
        assert!(poll(pin!(places.asked_for())).is_ready());
        assert!(poll(pin!(places.asked_for())).is_pending());
    }
}
