//! `config print`: every setting in effect, and its source.

use std::{
    io::{self, Write as _},
    path::Path,
};

use clap::Subcommand;

use super::Failure;
use crate::config::{Config, InEffect, Variables};

#[derive(Debug, Subcommand)]
pub(super) enum Configuration {
    /// Prints every setting with its value and its source; secrets are masked
    Print {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Configuration, file: Option<&Path>) -> Result<(), Failure> {
    let Configuration::Print { json } = command;
    let (settings, mistakes) = Config::settings_in_effect(file, &Variables::of_this_process());
    let mut stdout = io::stdout().lock();
    if *json {
        serde_json::to_writer_pretty(&mut stdout, &settings).map_err(Failure::other)?;
        writeln!(stdout)?;
    } else {
        print(&settings, &mut stdout)?;
    }
    // After the settings, so that the output shows both.
    mistakes.map_or(Ok(()), |mistakes| Err(mistakes.into()))
}

fn print(settings: &[InEffect], to: &mut impl io::Write) -> io::Result<()> {
    let widest = |of: fn(&InEffect) -> &str| {
        let widths = settings.iter().map(|it| of(it).chars().count());
        widths.max().unwrap_or_default()
    };
    let names = widest(|it| &it.setting);
    // The width is capped, so that one long value does not move the sources of all others out of sight.
    let values = widest(|it| &it.value).min(40);
    for InEffect {
        setting,
        value,
        source,
    } in settings
    {
        writeln!(to, "{setting:names$}  {value:values$}  {source}")?;
    }
    Ok(())
}
