//! `sessions`: revokes sessions of many accounts.

use std::{
    io::{self, Write as _},
    path::Path,
};

use authentication_app::ports::{SelectedSessions, SessionSelection};
use authentication_domain::sessions::EndReason;
use clap::{ArgGroup, Args, Subcommand};
use common::{Id, access::Role, clock::SKEW};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{Failure, users};
use crate::{
    config::{Config, Variables},
    telemetry::Telemetry,
    wire::Revoking,
};

#[derive(Debug, Subcommand)]
pub(super) enum Sessions {
    /// Ends sessions, with audit entries and events; every node refuses their tokens within seconds
    ///
    /// Every condition that is given has to hold. Sessions that begin while it runs may stay. It may be stopped and
    /// repeated at any moment. See docs/runbooks/mass-revocation.md.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).multiple(true)
    .args(["all", "role", "account", "created_before", "created_since"])))]
pub(super) struct Revoke {
    /// Sessions of everybody
    #[arg(long, conflicts_with_all = ["role", "account", "created_before", "created_since"])]
    all: bool,
    /// Sessions of accounts with this role
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Option<Role>,
    /// Sessions of this account (a UUID); may be given more than once
    #[arg(long, value_name = "ACCOUNT", value_parser = users::account_id)]
    account: Vec<Uuid>,
    /// Sessions that began before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    created_before: Option<OffsetDateTime>,
    /// Sessions that began at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    created_since: Option<OffsetDateTime>,
    /// Why: the number of a ticket, nothing personal
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run", value_parser = users::reason)]
    reason: Option<String>,
    /// Ends nothing, and says how many would end
    #[arg(long)]
    dry_run: bool,
}

fn role(typed: &str) -> Result<Role, String> {
    typed.parse().map_err(|_| {
        let roles = Role::ALL.map(Role::as_str).join(", ");
        format!("must be one of {roles}")
    })
}

fn moment(typed: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(typed, &Rfc3339)
        .map_err(|_| "must be a time as in 2026-11-24T10:00:00Z".to_owned())
}

impl Revoke {
    /// One selection, or one per account. Sessions that begin later than the allowed clock skew are excluded, or
    /// the command would never end.
    fn selections(&self, now: OffsetDateTime) -> Vec<SessionSelection> {
        let one = SessionSelection {
            begun_before: Some(self.created_before.unwrap_or(now + SKEW)),
            begun_since: self.created_since,
            role: self.role,
            account: None,
        };
        if self.account.is_empty() {
            return vec![one];
        }
        let mut accounts = self.account.clone();
        accounts.sort_unstable();
        accounts.dedup();
        let of_account = |account| SessionSelection {
            account: Some(Id::from_uuid(account)),
            ..one
        };
        accounts.into_iter().map(of_account).collect()
    }
}

pub(super) fn run(command: &Sessions, config: Option<&Path>) -> Result<(), Failure> {
    let Sessions::Revoke(command) = command;
    let config = Config::for_commands(config, &Variables::of_this_process())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let telemetry = Telemetry::start(&config.telemetry).map_err(Failure::other)?;
        let revoking = Revoking::open(&config).await?;
        let done = carry_out(command, &revoking).await;
        revoking.close().await;
        telemetry.flush().await;
        done
    })
}

async fn carry_out(command: &Revoke, revoking: &Revoking) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    let revocations = &revoking.revocations;
    let mut all = SelectedSessions::default();
    let mut told = true;
    for selection in command.selections(revoking.clock.now()) {
        let of_selection = match &command.reason {
            Some(reason) if !command.dry_run => {
                let why = (
                    "sessions revoke",
                    EndReason::EndedByOperator,
                    reason.as_str(),
                );
                let before = all.sessions;
                let progress = |ended| tracing::info!(ended = before + ended, "ending sessions");
                let revoked = revocations.revoke(&selection, why, progress).await;
                let revoked = revoked.map_err(Failure::other)?;
                told &= revoked.told;
                revoked.ended
            }
            _ => revocations
                .count(&selection)
                .await
                .map_err(Failure::other)?,
        };
        all.sessions += of_selection.sessions;
        all.accounts += of_selection.accounts;
    }
    let SelectedSessions { sessions, accounts } = all;
    if command.dry_run {
        writeln!(
            stdout,
            "{sessions} sessions of {accounts} accounts would end"
        )?;
        return Ok(());
    }
    writeln!(stdout, "{sessions} sessions of {accounts} accounts ended")?;
    if !told {
        let reason = "Redis was not told: nodes may accept their tokens for 35 seconds more; \
                      run it again once Redis answers";
        return Err(Failure::other(reason));
    }
    Ok(())
}
