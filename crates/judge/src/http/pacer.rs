//! When the next request may start: evenly spaced, and not before the server said so. Shared by all workers.
//!
//! ```text
//! turn ─── interval ─── turn ─── interval ─── turn ─ ─ held by Retry-After ─ ─ turn ─── interval ─── turn
//! ```
//! Turns are handed out ahead of time. Whoever waits for one that falls into a hold takes another.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest sleep without a look at whether to go on.
const LONGEST_NAP: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Pacer {
    interval: Duration,
    turns: Mutex<Turns>,
}

#[derive(Debug)]
struct Turns {
    next: Instant,
    /// Turns before this are void.
    held_until: Instant,
}

impl Pacer {
    /// Without a limit if `requests_per_minute` is `None`.
    ///
    /// # Panics
    /// If it is zero.
    pub(super) fn new(requests_per_minute: Option<u32>, now: Instant) -> Self {
        let interval = requests_per_minute.map_or(Duration::ZERO, |n| Duration::from_secs(60) / n);
        Self { interval, turns: Mutex::new(Turns { next: now, held_until: now }) }
    }

    /// Waits for a turn. `false` if `is_halted` came before it.
    pub(super) fn wait(&self, is_halted: &dyn Fn() -> bool) -> bool {
        loop {
            let turn = self.turn(Instant::now());
            if !sleep_until(turn, is_halted) {
                return false;
            }
            if self.is_valid(turn) {
                return true;
            }
        }
    }

    /// No request starts before `instant`.
    pub(super) fn hold_until(&self, instant: Instant) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.held_until = turns.held_until.max(instant);
        turns.next = turns.next.max(instant);
    }

    fn turn(&self, now: Instant) -> Instant {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.next.max(now);
        turns.next = turn + self.interval;
        turn
    }

    fn is_valid(&self, turn: Instant) -> bool {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turn >= turns.held_until
    }
}

/// Sleeps in naps. `false` if `is_halted` came before the end.
pub(super) fn sleep_until(instant: Instant, is_halted: &dyn Fn() -> bool) -> bool {
    loop {
        if is_halted() {
            return false;
        }
        let left = instant.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(LONGEST_NAP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn turns_are_spaced_and_not_saved_up() {
        let start = Instant::now();
        let pacer = Pacer::new(Some(60), start);
        assert_eq!(pacer.turn(start), start);
        assert_eq!(pacer.turn(start), start + SECOND);
        assert_eq!(pacer.turn(start + SECOND / 2), start + 2 * SECOND);
        assert_eq!(pacer.turn(start + 10 * SECOND), start + 10 * SECOND);
        assert_eq!(pacer.turn(start + 10 * SECOND), start + 11 * SECOND);
    }

    #[test]
    fn without_a_limit_it_is_always_ones_turn() {
        let start = Instant::now();
        let pacer = Pacer::new(None, start);
        assert_eq!([pacer.turn(start), pacer.turn(start)], [start; 2]);
    }

    #[test]
    fn a_hold_voids_turns_before_its_end() {
        let start = Instant::now();
        let pacer = Pacer::new(Some(60), start);
        let early = pacer.turn(start);
        pacer.hold_until(start + 5 * SECOND);
        // A shorter hold does not shorten it.
        pacer.hold_until(start + SECOND);
        assert!(!pacer.is_valid(early));
        let late = pacer.turn(start);
        assert_eq!(late, start + 5 * SECOND);
        assert!(pacer.is_valid(late));
        assert_eq!(pacer.turn(start), start + 6 * SECOND);
    }

    #[test]
    fn waiting_ends_when_halted_and_takes_no_less_than_the_hold() {
        let start = Instant::now();
        let pacer = Pacer::new(None, start);
        pacer.hold_until(start + 3600 * SECOND);
        assert!(!pacer.wait(&|| true));
        let pacer = Pacer::new(None, start);
        let end = Instant::now() + SECOND / 100;
        pacer.hold_until(end);
        assert!(pacer.wait(&|| false));
        assert!(Instant::now() >= end);
    }
}
