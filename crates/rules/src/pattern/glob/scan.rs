//! Matches many patterns with parts in one pass over a value. Each pattern waits for its next part, which has to begin
//! at or after the end of the one before. Taking the leftmost match of each part is always optimal.
//!
//! The cost is that of reading the value's bytes, of each part of a pattern once, and of each position at which a part
//! ends that some pattern waits for. At such a position either the pattern advances by one part, or the part overlaps
//! the previous one, which happens at most as often as the part has bytes. So the total is at most the size of the
//! value plus that of the patterns, times the logarithm of the number of parts.

use super::{
    automaton::{Part, START},
    parted::{Parted, Pattern},
    waited::Waited,
};

const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Scan<'a> {
    parted: &'a Parted,
    /// Sorted by the lengths of their prefixes. The value has the prefix and the suffix of each.
    patterns: &'a [Pattern],
    value: &'a [u8],
    /// For each pattern.
    progress: Box<[Progress]>,
    /// For each part, the queue of patterns that wait for it; the pattern that may take it earliest is first.
    queues: Box<[Queue]>,
    waited: Waited,
    /// How often a queue became non-empty.
    additions: u32,
    /// For each part, the value of `additions` when no pattern waited for it or for a part that it ends with.
    idle: Box<[u32]>,
    /// The number of patterns that are waiting.
    waiting: usize,
    best: Option<u32>,
    #[cfg(test)]
    steps: usize,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    /// The number of parts found.
    found: u32,
    /// The next pattern in the same queue.
    next: u32,
    /// The position at or after which the next part may begin.
    from: usize,
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
}

impl<'a> Scan<'a> {
    pub(super) fn new(parted: &'a Parted, patterns: &'a [Pattern], value: &'a [u8]) -> Self {
        let parts = parted.automaton.parts();
        Self {
            parted,
            patterns,
            value,
            progress: vec![Progress { found: 0, next: NONE, from: 0 }; patterns.len()].into_boxed_slice(),
            queues: vec![Queue { first: NONE, last: NONE }; parts].into_boxed_slice(),
            waited: Waited::new(parts),
            additions: 0,
            idle: vec![NONE; parts].into_boxed_slice(),
            waiting: 0,
            best: None,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Returns the index of the first pattern in file order that the value matches.
    pub(super) fn run(mut self) -> Option<u32> {
        self.scan();
        self.best
    }

    /// The same, with the number of steps.
    #[cfg(test)]
    pub(super) fn run_counted(mut self) -> (Option<u32>, usize) {
        self.scan();
        (self.best, self.steps)
    }

    fn scan(&mut self) {
        let earliest = self.patterns.iter().map(|pattern| pattern.at).min();
        let (mut started, mut state) = (0, START);
        let begin = self.patterns.first().map_or(0, |pattern| pattern.prefix as usize);
        for (at, byte) in self.value.iter().enumerate().skip(begin) {
            // not earlier: queues must be sorted by the position from which a pattern may take the part
            while self.patterns.get(started).is_some_and(|pattern| pattern.prefix as usize <= at) {
                self.wait(started as u32, at);
                started += 1;
            }
            state = self.parted.automaton.step(state, *byte);
            if let Some(longest) = self.parted.automaton.longest(state) {
                self.parts_end(longest, at + 1);
            }
            if self.best.is_some() && self.best == earliest || self.waiting == 0 && started == self.patterns.len() {
                return;
            }
        }
    }

    /// Appends a pattern to the queue for its next part.
    fn wait(&mut self, pattern: u32, from: usize) {
        let progress = &mut self.progress[pattern as usize];
        (progress.next, progress.from) = (NONE, from);
        let part = self.parted.parts_of(&self.patterns[pattern as usize])[progress.found as usize];
        self.waiting += 1;
        let queue = &mut self.queues[part as usize];
        if queue.first == NONE {
            queue.first = pattern;
            self.waited.add(part, self.parted.automaton.last(part));
            self.additions += 1;
        } else {
            self.progress[queue.last as usize].next = pattern;
        }
        queue.last = pattern;
    }

    /// Handles the end of this part, and of the parts that it ends with.
    fn parts_end(&mut self, longest: Part, end: usize) {
        if self.idle[longest as usize] == self.additions {
            return;
        }
        let (additions, mut most) = (self.additions, Some(longest));
        let mut is_idle = true;
        while let Some(part) = most.and_then(|most| self.waited.longest(longest, most)) {
            is_idle = false;
            self.part_ends(part, end);
            most = part.checked_sub(1);
        }
        if is_idle {
            self.idle[longest as usize] = additions;
        }
    }

    fn part_ends(&mut self, part: Part, end: usize) {
        let start = end - self.parted.automaton.length(part);
        self.count_step();
        loop {
            let first = self.queues[part as usize].first;
            if first == NONE {
                return self.waited.remove(part);
            }
            let progress = &mut self.progress[first as usize];
            if progress.from > start {
                return;
            }
            progress.found += 1;
            let (found, next) = (progress.found as usize, progress.next);
            self.queues[part as usize].first = next;
            self.waiting -= 1;
            self.count_step();
            let pattern = &self.patterns[first as usize];
            if self.best.is_some_and(|best| best < pattern.at) || end + pattern.suffix as usize > self.value.len() {
                continue;
            }
            if found == self.parted.parts_of(pattern).len() {
                self.best = Some(pattern.at);
            } else {
                self.wait(first, end);
            }
        }
    }

    #[cfg(test)]
    fn count_step(&mut self) {
        self.steps += 1;
    }

    #[cfg(not(test))]
    fn count_step(&self) {}
}
