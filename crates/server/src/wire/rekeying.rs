//! Wrapping and indexing anew behind the requests.

use std::{sync::Arc, time::Duration};

use authentication_app::{keys::Rekeying, ports::StoreError};
use tokio::{
    sync::{Notify, RwLock},
    time::{Instant, sleep},
};

use crate::workers::Stop;

/// A start has better things to do.
const AFTER_THE_START: Duration = Duration::from_secs(5);
/// Of the time of this worker so many parts are rest, for one of work: sign-ins go first.
const REST: u32 = 3;
const SHORTEST_REST: Duration = Duration::from_millis(5);
/// However long it waited for its turn: it is to end some day.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// How long after a pass that found nothing the next one begins; doubled each time, since a node that lagged
/// may have written something the old way.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_mins(30);
/// Progress is logged about so often.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// Goes through the rows whenever the ring changed, and now and then while it changes, until it is asked to
/// end. Once no key is on its way any more and pass after pass found nothing, nothing is looked for before the
/// ring changes again. `gate` is held during a batch.
pub(super) async fn keep_rekeying(
    work: Rekeying,
    changed: Arc<Notify>,
    gate: Arc<RwLock<()>>,
    mut stop: Stop,
) -> Result<(), StoreError> {
    let mut pause = AFTER_THE_START;
    loop {
        let is_over = pause == LONGEST_PAUSE && work.is_settled();
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = changed.notified() => pause = FIRST_PAUSE,
            () = sleep(pause), if !is_over => pause = LONGEST_PAUSE.min(FIRST_PAUSE.max(pause * 2)),
        }
        while pass(&work, &gate, &mut stop).await? {
            pause = FIRST_PAUSE;
        }
    }
}

/// Whether it found anything to do.
async fn pass(work: &Rekeying, gate: &RwLock<()>, stop: &mut Stop) -> Result<bool, StoreError> {
    let mut pass = work.begin_pass();
    let mut told = Instant::now();
    loop {
        let turn = gate.read().await;
        let began = Instant::now();
        let done = pass.step().await?;
        drop(turn);
        if done.is_none() {
            break;
        }
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            tracing::info!(outcome = ?pass.outcome(), "keys are being changed");
        }
        tokio::select! {
            () = stop.requested() => return Ok(false),
            () = sleep((began.elapsed() * REST).clamp(SHORTEST_REST, LONGEST_REST)) => {}
        }
    }
    let outcome = pass.outcome();
    if outcome.changed() == 0 {
        return Ok(false);
    }
    tracing::info!(?outcome, "keys were changed");
    Ok(true)
}
