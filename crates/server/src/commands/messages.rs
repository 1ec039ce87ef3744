//! `messages`: handles messages that could not be sent.
//!
//! It shows no personal data, because a queued message has neither address nor text.

use std::{
    io::{self, Write},
    path::Path,
};

use authentication_app::ports::{ParkedMessage, ParkedMessages as _, StoreError};
use clap::{Args, Subcommand};
use identity_adapters_postgres::Store;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::Failure;
use crate::{
    config::{Config, Variables},
    telemetry::Telemetry,
    wire,
};

/// The number of messages per query.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Messages {
    /// Lists the messages that could not be sent, oldest first
    Parked,
    /// Has parked messages sent again by the running service. A code that is too old by then is dropped
    Resend(Which),
    /// Deletes parked messages for good
    Delete {
        /// As `messages parked` shows them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<Uuid>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// As `messages parked` shows them
    #[arg(value_name = "ID")]
    ids: Vec<Uuid>,
    /// All that are parked
    #[arg(long)]
    all: bool,
}

pub(super) fn run(command: &Messages, config: Option<&Path>) -> Result<(), Failure> {
    let config = Config::for_commands(config, &Variables::of_this_process())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let telemetry = Telemetry::start(&config.telemetry).map_err(Failure::other)?;
        let (store, clock) = wire::open_migrated_store(&config).await?;
        let done = carry_out(command, &store, clock.now()).await;
        store.close().await;
        telemetry.flush().await;
        done
    })
}

async fn carry_out(command: &Messages, store: &Store, now: OffsetDateTime) -> Result<(), Failure> {
    match command {
        Messages::Parked => list(store).await,
        Messages::Resend(which) if which.all => {
            let due = store.resend_all_parked_messages(now).await;
            let due = due.map_err(Failure::other)?;
            writeln!(io::stdout(), "{due} messages are due again")?;
            Ok(())
        }
        Messages::Resend(which) => {
            let mut answers = Vec::new();
            for id in &which.ids {
                answers.push((*id, store.resend_parked_message(*id, now).await));
            }
            tell("due again", answers)
        }
        Messages::Delete { ids } => {
            let mut answers = Vec::new();
            for id in ids {
                answers.push((*id, store.delete_parked_message(*id).await));
            }
            tell("deleted", answers)
        }
    }
}

async fn list(store: &Store) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let mut after = None;
    let mut count = 0_usize;
    loop {
        let page = store.list_parked_messages(after, PAGE).await;
        let page = page.map_err(Failure::other)?;
        let Some(last) = page.last() else { break };
        after = Some((last.at, last.id));
        count += page.len();
        page.iter()
            .try_for_each(|message| show(&mut stdout, message))?;
    }
    if count == 0 {
        writeln!(stdout, "no message is parked")?;
    }
    Ok(())
}

fn show(stdout: &mut impl Write, message: &ParkedMessage) -> io::Result<()> {
    let parked = message.parked_at.map_or_else(|| "-".to_owned(), moment);
    let reason = message.reason.as_deref().unwrap_or("-");
    writeln!(
        stdout,
        "{}  {:<17}  asked {}  parked {parked}  tried {}  {reason}",
        message.id,
        name(message),
        moment(message.at),
        message.attempts,
    )
}

fn name(message: &ParkedMessage) -> String {
    match &message.purpose {
        Some(purpose) => format!("{purpose}_{}", message.kind),
        None => message.kind.clone(),
    }
}

/// Truncates to whole seconds.
fn moment(at: OffsetDateTime) -> String {
    let at = at.replace_nanosecond(0).unwrap_or(at);
    at.format(&Rfc3339).unwrap_or_else(|_| "-".to_owned())
}

/// Prints the result for each message; fails if one of them is not parked.
fn tell(done: &str, answers: Vec<(Uuid, Result<bool, StoreError>)>) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    let mut unknown = Vec::new();
    for (id, answer) in answers {
        if answer.map_err(Failure::other)? {
            writeln!(stdout, "{id}  {done}")?;
        } else {
            unknown.push(id.to_string());
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let reason = format!("no such message is parked: {}", unknown.join(", "));
    Err(Failure::other(reason))
}
