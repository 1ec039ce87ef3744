//! `users reset-factors`: requests the reset from the running service, through the database.

use std::{
    io::{self, Write as _},
    path::Path,
};

use authentication_app::ports::{FactorResetQueries as _, StoreError};
use authentication_domain::accounts::AccountId;
use common::Id;
use identity_adapters_postgres::Store;
use time::OffsetDateTime;

use super::ResetFactors;
use crate::{
    commands::Failure,
    config::{Config, Variables},
    wire::open_migrated_store,
};

const LONGEST_REASON: usize = 200;

/// Validates a reason: it is stored in plain text and read by others, so it must contain no email address.
pub(in crate::commands) fn reason(typed: &str) -> Result<String, String> {
    let reason = typed.trim();
    let is_good = !reason.is_empty()
        && reason.len() <= LONGEST_REASON
        && !reason.contains(char::is_control)
        && !reason.contains('@');
    if is_good {
        Ok(reason.to_owned())
    } else {
        Err(format!(
            "must be the number of a ticket, at most {LONGEST_REASON} characters, and name nobody"
        ))
    }
}

pub(super) fn run(command: &ResetFactors, config: Option<&Path>) -> Result<(), Failure> {
    let config = Config::for_commands(config, &Variables::of_this_process())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (store, clock) = open_migrated_store(&config).await.map_err(Failure::other)?;
        let done = carry_out(&store, command, clock.now()).await;
        store.close().await;
        let told = done.map_err(Failure::other)?;
        writeln!(io::stdout(), "{told}")?;
        Ok(())
    })
}

async fn carry_out(
    store: &Store,
    command: &ResetFactors,
    now: OffsetDateTime,
) -> Result<String, Told> {
    let account: AccountId = Id::from_uuid(command.account);
    let Some(reason) = &command.reason else {
        let called_off = store.withdraw_factor_reset(account, now).await?;
        return Ok(String::from(if called_off {
            "called off"
        } else {
            "nothing was asked for"
        }));
    };
    if store.ask_for_factor_reset(account, reason, now).await? {
        return Ok(
            "asked for; the owner is told within minutes, and then the waiting time begins".into(),
        );
    }
    let found = store.find_factor_reset(account).await?;
    let found = found.ok_or(Told::NoSuchAccount)?;
    Ok(match found.due_at {
        _ if found.called_off => "called off a moment ago; ask again in ten minutes".into(),
        Some(due_at) => format!("asked for before; due at {due_at}"),
        None if found.announced => {
            "asked for before; the waiting time begins when the notice to the owner has left".into()
        }
        None => "asked for before; the owner was not told yet".into(),
    })
}

#[derive(Debug, thiserror::Error)]
enum Told {
    #[error("there is no such account, or its owner closed it")]
    NoSuchAccount,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn a_reason_is_a_ticket_and_nobodys_address() {
        assert_eq!(reason(" ticket 4711 ").as_deref(), Ok("ticket 4711"));
        for bad in ["", " ", "ada@example.com", "two\nlines", &"x".repeat(201)] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
    }
}
