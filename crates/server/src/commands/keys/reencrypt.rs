//! `keys reencrypt`: runs the service's background rewrapping and reindexing in the foreground, to completion.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use authentication_app::keys::PassOutcome;
use tokio::time::{Instant, sleep};

use super::Failure;
use crate::wire::KeyDesk;

/// How long to wait for rows that another transaction has locked.
const HELD: Duration = Duration::from_millis(500);
/// After this many passes without a change, the remaining rows are not merely locked: they cannot be changed.
const IN_VAIN: u32 = 10;
const TELL_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn run(desk: &KeyDesk) -> Result<(), Failure> {
    let work = desk.rekeying().await?;
    let began = Instant::now();
    let mut told = began;
    let mut total = PassOutcome::default();
    let mut in_vain = 0;
    loop {
        let mut pass = work.begin_pass();
        loop {
            let step = Instant::now();
            if pass.step().await.map_err(Failure::other)?.is_none() {
                break;
            }
            if is_time_to_tell(&mut told) {
                let changed = total.changed() + pass.outcome().changed();
                writeln!(io::stderr(), "{changed} rows so far")?;
            }
            // Rests for as long as it worked, so that the service gets at least half of the store's time.
            sleep(step.elapsed()).await;
        }
        let outcome = pass.outcome();
        total.rewrapped += outcome.rewrapped;
        total.indexed += outcome.indexed;
        total.unindexed += outcome.unindexed;
        let remaining = work.remaining().await.map_err(Failure::other)?;
        if remaining == 0 {
            break;
        }
        if outcome.changed() > 0 {
            in_vain = 0;
            continue;
        }
        in_vain += 1;
        if outcome.stuck > 0 || in_vain == IN_VAIN {
            return Err(Failure::other(left_over(remaining, outcome.stuck)));
        }
        sleep(HELD).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let PassOutcome {
        rewrapped,
        indexed,
        unindexed,
        ..
    } = total;
    writeln!(
        io::stdout(),
        "{rewrapped} data keys wrapped, {indexed} index rows added, {unindexed} removed in {seconds:.1} s; nothing is left to do"
    )?;
    Ok(())
}

fn left_over(remaining: u64, stuck: u64) -> String {
    if stuck > 0 {
        format!(
            "{remaining} rows cannot be changed: the log names the accounts, whose values do not open or whose \
             identifier is another account's by now"
        )
    } else {
        format!(
            "{remaining} rows are held by somebody else, and were all along: nothing is lost, try again later"
        )
    }
}

/// Whether no progress was printed for [`TELL_EVERY`]; if so, resets the timer.
fn is_time_to_tell(told: &mut Instant) -> bool {
    let is_time = told.elapsed() > TELL_EVERY;
    if is_time {
        *told = Instant::now();
    }
    is_time
}
