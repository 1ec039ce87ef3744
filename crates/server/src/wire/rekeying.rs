//! Rewrapping and reindexing of rows in the background.

use std::{sync::Arc, time::Duration};

use authentication_app::{keys::Rekeying, ports::StoreError};
use tokio::{
    sync::{Notify, RwLock},
    time::{Instant, sleep},
};

use crate::workers::Stop;

/// A starting node has more urgent work.
const AFTER_THE_START: Duration = Duration::from_secs(5);
/// The rest after each batch, as a multiple of the time that the batch took: sign-ins have priority.
const REST: u32 = 3;
const SHORTEST_REST: Duration = Duration::from_millis(5);
/// The longest rest, even if a batch waited long for its turn, so that the work ends eventually.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// The pause after a pass that found nothing. It doubles each time, because a node that lagged behind may still
/// have written a row under the old key.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_mins(30);
/// How often progress is logged, approximately.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// Passes over the rows after each change of the key ring, and periodically while keys are in transition, until it
/// is requested to stop. Once no key is in transition and repeated passes found nothing, it waits for the next
/// change of the ring. `gate` is held during a batch.
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

/// Runs one pass, and returns whether there was anything to do.
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
