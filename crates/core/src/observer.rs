//! Observers: whoever wants to watch a loop gets its typed events, and may end it.
//!
//! `()` watches nothing, a closure is an observer, and a pair of observers is one too.

use std::ops::ControlFlow;

/// Watches events of type `E`. One method to write.
pub trait Observer<E> {
    /// Sees one event; [`ControlFlow::Break`] asks the loop to stop with what it has.
    fn observe(&mut self, event: &E) -> ControlFlow<()>;
}

impl<E> Observer<E> for () {
    fn observe(&mut self, _: &E) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<E, F: FnMut(&E) -> ControlFlow<()>> Observer<E> for F {
    fn observe(&mut self, event: &E) -> ControlFlow<()> {
        self(event)
    }
}

/// Both see every event; either may stop the loop.
impl<E, A: Observer<E>, B: Observer<E>> Observer<E> for (A, B) {
    fn observe(&mut self, event: &E) -> ControlFlow<()> {
        let first = self.0.observe(event);
        let second = self.1.observe(event);
        if first.is_break() { first } else { second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_shows_the_event_to_both_and_stops_if_either_does() {
        let mut seen = 0;
        let mut pair = (
            |_: &u32| ControlFlow::Break(()),
            |_: &u32| {
                seen += 1;
                ControlFlow::Continue(())
            },
        );
        assert!(pair.observe(&1).is_break());
        assert_eq!(seen, 1);
    }
}
