//! `keys reencrypt`: what the service does by itself, here and to the end.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use authentication_app::keys::PassOutcome;
use tokio::time::{Instant, sleep};

use super::Failure;
use crate::wire::KeyDesk;

/// How long to wait for rows that somebody else holds.
const HELD: Duration = Duration::from_millis(500);
const TELL_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn run(desk: &KeyDesk) -> Result<(), Failure> {
    let work = desk.rekeying().await?;
    let began = Instant::now();
    let mut total = PassOutcome::default();
    loop {
        let mut pass = work.begin_pass();
        let mut told = Instant::now();
        loop {
            let step = Instant::now();
            if pass.step().await.map_err(Failure::other)?.is_none() {
                break;
            }
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                let changed = total.changed() + pass.outcome().changed();
                writeln!(io::stderr(), "{changed} rows so far")?;
            }
            // As long as it worked: the service has half of the store's time at the least.
            sleep(step.elapsed()).await;
        }
        let outcome = pass.outcome();
        total.rewrapped += outcome.rewrapped;
        total.indexed += outcome.indexed;
        total.unindexed += outcome.unindexed;
        total.unreadable = outcome.unreadable;
        let remaining = work.remaining().await.map_err(Failure::other)?;
        if remaining == 0 {
            break;
        }
        if outcome.changed() == 0 && outcome.unreadable > 0 {
            let reason = format!(
                "{remaining} rows cannot be changed: the log names the accounts whose values do not open"
            );
            return Err(Failure::Usage(reason));
        }
        if outcome.changed() == 0 {
            sleep(HELD).await;
        }
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
