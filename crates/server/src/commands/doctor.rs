//! `doctor`: checks that everything that is configured works. The checks are in [`crate::doctor`].

use std::{
    io::{self, Write as _},
    path::Path,
};

use clap::Args;

use super::Failure;
use crate::{
    config::{Config, Variables},
    doctor::{self, Finding, Health},
};

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Doctor, file: Option<&Path>) -> Result<(), Failure> {
    let config = match Config::for_serving(file, &Variables::of_this_process()) {
        Ok(config) => config,
        // With a wrong configuration nothing is contacted: the addresses in it could belong to another service.
        Err(mistakes) => {
            tell(command, &doctor::of_mistakes(&mistakes))?;
            return Err(mistakes.into());
        }
    };
    // For TLS. An error means that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let findings = runtime.block_on(doctor::examine(&config));
    // Does not wait for a DNS resolver thread that hangs.
    runtime.shutdown_background();
    tell(command, &findings)?;
    match findings.iter().map(|finding| finding.health).max() {
        Some(Health::Fail) => Err(Failure::Told),
        _ => Ok(()),
    }
}

fn tell(command: &Doctor, findings: &[Finding]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    if command.json {
        serde_json::to_writer_pretty(&mut stdout, findings).map_err(Failure::other)?;
        writeln!(stdout)?;
    } else {
        doctor::print(findings, &mut stdout)?;
    }
    Ok(())
}
