//! Where the thread that judges and the page meet: the session under a lock, and who is told of what.

use super::session::{Action, Choice, Ending, Session, Stage};
use crate::Question;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often whoever waits for the person looks at the flag that stops it.
const LOOK: Duration = Duration::from_millis(50);

/// What the judge finds when it looks.
#[derive(Debug)]
pub(super) struct News {
    /// Settled answers with the places of their questions.
    pub(super) settled: Vec<(usize, Choice)>,
    /// Whether questions of the batch are still open.
    pub(super) is_asking: bool,
}

#[derive(Debug)]
pub(super) struct Desk {
    state: Mutex<State>,
    /// Told whenever the state changes.
    changed: Condvar,
    /// How many answers have been kept, of those settled since the session began.
    n_kept: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    session: Session,
    /// A page was shown: somebody is there.
    is_seen: bool,
    /// The last page, which says that it is over, was shown.
    is_end_seen: bool,
}

impl Desk {
    pub(super) fn new() -> Self {
        let state = State { session: Session::new(), is_seen: false, is_end_seen: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), n_kept: watch::Sender::new(0) }
    }

    /// The session as it stands, for a page, once every answer that is settled has been kept.
    pub(super) async fn show<T>(&self, render: impl FnOnce(&Session) -> T) -> T {
        let mut n_kept = self.n_kept.subscribe();
        loop {
            let n_settled = self.lock().session.n_settled();
            // The sender is a field of this very value: it cannot be gone.
            let _ = n_kept.wait_for(|&n_kept| n_kept >= n_settled).await;
            let mut state = self.lock();
            // More may have been settled meanwhile.
            if state.session.n_settled() == n_settled {
                state.is_seen = true;
                state.is_end_seen = matches!(state.session.stage(), Stage::Over(_));
                self.changed.notify_all();
                return render(&state.session);
            }
        }
    }

    /// Does what a form asked for.
    pub(super) fn act(&self, turn: u64, action: Action) {
        self.lock().session.act(turn, action);
        self.changed.notify_all();
    }

    pub(super) fn turn(&self) -> u64 {
        self.lock().session.turn()
    }

    pub(super) fn open(&self, questions: &[Question<'_>]) {
        self.lock().session.open(questions);
    }

    /// Waits until something is settled or the batch is over, for as long as `is_stopped` says no.
    pub(super) fn wait(&self, is_stopped: impl Fn() -> bool) -> News {
        let mut state = self.lock();
        loop {
            if is_stopped() {
                state.session.close(Ending::Stopped);
            }
            let settled = state.session.take_settled();
            let is_asking = matches!(state.session.stage(), Stage::Asking(_));
            if !settled.is_empty() || !is_asking {
                return News { settled, is_asking };
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// So many answers more have been kept.
    pub(super) fn kept(&self, n_answers: usize) {
        self.n_kept.send_modify(|n_kept| *n_kept += n_answers as u64);
    }

    /// Nothing more will be asked.
    pub(super) fn close(&self, ending: Ending) {
        self.lock().session.close(ending);
    }

    /// Nothing more will be kept: whoever waits for it is let go.
    pub(super) fn give_up(&self) {
        self.n_kept.send_replace(u64::MAX);
    }

    /// Waits until the page has shown that it is over, `patience` at most, and not at all if no page was ever shown.
    pub(super) fn wait_for_farewell(&self, patience: Duration) {
        let is_missing = |state: &mut State| state.is_seen && !state.is_end_seen;
        // Whether it was shown or not, this is the end.
        let _ = self.changed.wait_timeout_while(self.lock(), patience, is_missing);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of a session is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
