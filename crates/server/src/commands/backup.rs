//! `backup`: creates, verifies and restores backups of the database.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use authentication_app::sessions::Aftermath;
use clap::Subcommand;
use serde_json::json;

use super::Failure;
use crate::{
    backup::{self, BackupError, Finding, Manifest, Order, PutBack},
    config::{Config, Variables},
    telemetry::Telemetry,
};

#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Makes a backup of the database while the service runs
    ///
    /// The file is there only when it is whole, and for its owner alone. The key ring is not in it. On PostgreSQL
    /// it needs `pg_dump` and `pg_restore`, and a role that may read every table (deploy/roles.sql makes one).
    Create {
        /// The file to be made
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Replaces a file of that name, in the moment in which the new one is whole
        #[arg(long)]
        overwrite: bool,
    },
    /// Says what is in a backup, whether it is whole, and whether this release and this key ring can use it
    ///
    /// Ends with status 1 if not.
    Verify {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Puts a backup in the place of the configured database
    ///
    /// Stop every node first. What was outstanding in it is voided, and every session ends: whether one was ended
    /// since the backup is lost. docs/runbooks/restore-from-backup.md says what people notice.
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Replaces a database that is there
        #[arg(long)]
        replace: bool,
        /// Lets sessions go on, also those that were ended since the backup
        #[arg(long)]
        keep_sessions: bool,
        /// Lets this role, which nodes sign in as, do what they do: its rights went with the tables. PostgreSQL only
        #[arg(long, value_name = "ROLE")]
        grant_to: Option<String>,
    },
    /// Says that the database lost its latest commits by other means: a restore to a point in time, or a replica that
    /// took over without them
    ///
    /// Stop every node first. Does what `restore` does after the data are in place.
    Restored {
        /// Lets sessions go on, also those that were ended in what is lost
        #[arg(long)]
        keep_sessions: bool,
    },
}

pub(super) fn run(command: &Backup, config: Option<&Path>) -> Result<(), Failure> {
    let config = Config::for_commands(config, &Variables::of_this_process())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // For TLS to the database. An error means that a provider is installed already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let telemetry = Telemetry::start(&config.telemetry).map_err(Failure::other)?;
        let done = carry_out(command, &config).await;
        telemetry.flush().await;
        done
    })
}

async fn carry_out(command: &Backup, config: &Config) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    match command {
        Backup::Create { file, overwrite } => {
            let manifest = backup::create(config, file, *overwrite).await?;
            writeln!(stdout, "made {}\n{}", file.display(), described(&manifest))?;
        }
        Backup::Verify { file, json } => {
            let (manifest, findings) = backup::verify(config, file).await?;
            if *json {
                writeln!(stdout, "{}", as_json(manifest.as_ref(), &findings))?;
            } else {
                if let Some(manifest) = &manifest {
                    writeln!(stdout, "{}", described(manifest))?;
                }
                if findings.is_empty() {
                    writeln!(stdout, "whole, and can be put back")?;
                }
                for finding in &findings {
                    writeln!(stdout, "{}: {finding}", finding.code())?;
                }
            }
            if !findings.is_empty() {
                return Err(Failure::Told);
            }
        }
        Backup::Restore {
            file,
            replace,
            keep_sessions,
            grant_to,
        } => {
            let order = Order {
                file,
                replace: *replace,
                keep_sessions: *keep_sessions,
                grant_to: grant_to.as_deref(),
            };
            let put_back = backup::restore(config, order).await?;
            tell(&mut stdout, &put_back)?;
        }
        Backup::Restored { keep_sessions } => {
            let done = backup::note_restored(config, *keep_sessions).await?;
            tell_aftermath(&mut stdout, &done)?;
        }
    }
    Ok(())
}

fn tell(stdout: &mut io::Stdout, put_back: &PutBack) -> io::Result<()> {
    writeln!(stdout, "restored\n{}", described(&put_back.manifest))?;
    if let Some(old) = &put_back.replaced {
        writeln!(stdout, "what was there before is {}", old.display())?;
    }
    tell_aftermath(stdout, &put_back.aftermath)?;
    if put_back.others > 0 {
        let others = put_back.others;
        writeln!(
            stdout,
            "{others} other connections were made meanwhile: restart whatever made them"
        )?;
    }
    for role in &put_back.without_rights {
        writeln!(
            stdout,
            "warning: {role} lost its rights with the tables that were replaced: run fashionistar-auth migrate up \
             --grant-to {role}"
        )?;
    }
    Ok(())
}

fn tell_aftermath(stdout: &mut io::Stdout, aftermath: &[Aftermath]) -> io::Result<()> {
    for done in aftermath {
        let voided = &done.voided;
        if done.restore.keeps_sessions {
            let kept = voided.sessions_kept;
            writeln!(
                stdout,
                "{kept} sessions go on, also those that were ended since"
            )?;
        } else {
            let (sessions, accounts) = (done.ended.sessions, done.ended.accounts);
            writeln!(stdout, "{sessions} sessions of {accounts} accounts ended")?;
        }
        writeln!(
            stdout,
            "voided: {} codes and links, {} sign-ins that were under way, {} recorded answers, \
             {} devices that skipped the second factor",
            voided.codes, voided.sign_ins, voided.answers, voided.devices
        )?;
    }
    Ok(())
}

fn described(manifest: &Manifest) -> String {
    let newest = manifest.migrations.last().map_or("none", String::as_str);
    format!(
        "made {} by release {} from {} {}\n{} accounts, {} sessions, {} audit entries; schema {newest}",
        manifest.made_at,
        manifest.release,
        manifest.engine.name(),
        manifest.engine_version,
        manifest.accounts,
        manifest.sessions,
        manifest.audit_entries,
    )
}

fn as_json(manifest: Option<&Manifest>, findings: &[Finding]) -> serde_json::Value {
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| json!({"kind": finding.code(), "detail": finding.to_string()}))
        .collect();
    json!({"usable": findings.is_empty(), "manifest": manifest, "findings": findings})
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Start(crate::StartError::Config(mistakes)) => mistakes.into(),
            error => Self::other(error),
        }
    }
}
