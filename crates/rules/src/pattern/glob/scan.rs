//! Many patterns with parts, matched in one pass over a value. Each waits for its next part, which has to begin where the
//! one before ended or later: the leftmost place for each part is as good as any other.
//!
//! The cost is that of the value's bytes, of each part of a pattern once, and of each place where a part ends that some
//! pattern waits for. Such a place takes the pattern a part further, or it overlaps the part before, and that happens
//! no more often than the part has bytes. So the sum is at most that of the value and the patterns, times the logarithm
//! of the number of parts.

use super::{
    automaton::{Part, START},
    parted::{Parted, Pattern},
    waited::Waited,
};

const NOBODY: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Race<'a> {
    parted: &'a Parted,
    /// By the lengths of their prefixes. The value has the prefix and the suffix of each.
    patterns: &'a [Pattern],
    value: &'a [u8],
    /// For each pattern.
    progress: Box<[Progress]>,
    /// For each part: the patterns that wait for it, those that may take it earliest first.
    queues: Box<[Queue]>,
    waited: Waited,
    /// How often a part began to be waited for.
    additions: u32,
    /// For each part: `additions` when neither it nor any that it ends with was waited for.
    idle: Box<[u32]>,
    /// Patterns that are waiting.
    waiting: usize,
    best: Option<u32>,
    #[cfg(test)]
    steps: usize,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    /// Parts found.
    found: u32,
    /// The pattern behind this one in a queue.
    next: u32,
    /// Where the next part may begin.
    from: usize,
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
}

impl<'a> Race<'a> {
    pub(super) fn new(parted: &'a Parted, patterns: &'a [Pattern], value: &'a [u8]) -> Self {
        let parts = parted.automaton.parts();
        Self {
            parted,
            patterns,
            value,
            progress: vec![Progress { found: 0, next: NOBODY, from: 0 }; patterns.len()].into_boxed_slice(),
            queues: vec![Queue { first: NOBODY, last: NOBODY }; parts].into_boxed_slice(),
            waited: Waited::new(parts),
            additions: 0,
            idle: vec![NOBODY; parts].into_boxed_slice(),
            waiting: 0,
            best: None,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// The place of the first pattern in file order that the value matches.
    pub(super) fn run(mut self) -> Option<u32> {
        self.race();
        self.best
    }

    /// The same, and how many times a pattern was looked at.
    #[cfg(test)]
    pub(super) fn run_counted(mut self) -> (Option<u32>, usize) {
        self.race();
        (self.best, self.steps)
    }

    fn race(&mut self) {
        let earliest = self.patterns.iter().map(|pattern| pattern.at).min();
        let (mut started, mut state) = (0, START);
        let begin = self.patterns.first().map_or(0, |pattern| pattern.prefix as usize);
        for (at, byte) in self.value.iter().enumerate().skip(begin) {
            // not before: a pattern that may take a part only later must not stand before others in its queue
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

    /// Puts a pattern into the queue for its next part.
    fn wait(&mut self, pattern: u32, from: usize) {
        let progress = &mut self.progress[pattern as usize];
        (progress.next, progress.from) = (NOBODY, from);
        let part = self.parted.parts_of(&self.patterns[pattern as usize])[progress.found as usize];
        self.waiting += 1;
        let queue = &mut self.queues[part as usize];
        if queue.first == NOBODY {
            queue.first = pattern;
            self.waited.add(part, self.parted.automaton.last(part));
            self.additions += 1;
        } else {
            self.progress[queue.last as usize].next = pattern;
        }
        queue.last = pattern;
    }

    /// This part, and those that it ends with, end here.
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
            if first == NOBODY {
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
