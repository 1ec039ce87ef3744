//! `keys list`.

use std::io::{self, Write as _};

use adapters_crypto::SystemClock;
use authentication_app::{
    keys::Evidence as _,
    ports::{KeyState, KeySummary},
};
use common::Clock as _;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::Failure;
use crate::wire::{KeyDesk, ListedKey};

pub(super) async fn run(desk: &KeyDesk) -> Result<(), Failure> {
    let keys = desk.list().await?;
    let now = SystemClock.now();
    let mut stdout = io::stdout();
    writeln!(
        stdout,
        "{:<17} {:<32} {:<9} {:<6} depends on it, or stands against the next step",
        "section", "key", "state", "for"
    )?;
    for ListedKey { key, dependents } in &keys {
        let mut notes: Vec<&str> = dependents.iter().map(|it| it.reason.as_str()).collect();
        if notes.is_empty() {
            notes.push(free(key.state));
        }
        for (line, note) in notes.iter().enumerate() {
            let row = if line == 0 {
                row(key, now)
            } else {
                String::new()
            };
            writeln!(stdout, "{row:<67} {note}")?;
        }
    }
    // If the tasks cannot be read, the lines above give the reason.
    for task in desk.tasks().await.unwrap_or_default() {
        let at = task.last_at.replace_nanosecond(0).unwrap_or(task.last_at);
        let at = at.format(&Rfc3339).unwrap_or_default();
        let name = task.task.as_str();
        writeln!(
            stdout,
            "{name}: {} rows changed in all, the last at {at}",
            task.rows
        )?;
    }
    Ok(())
}

fn row(key: &KeySummary, now: OffsetDateTime) -> String {
    let named = match key.algorithm {
        Some(algorithm) => format!("{} ({algorithm})", key.id),
        None => key.id.clone(),
    };
    let age = key
        .since
        .map_or_else(|| "?".to_owned(), |since| age(now - since));
    let (section, state) = (key.section.as_str(), key.state.as_str());
    format!("{section:<17} {named:<32} {state:<9} {age:<6}")
}

/// The text for a key without blockers.
const fn free(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "can be promoted",
        KeyState::Current => "nothing",
        KeyState::Previous => "can be retired",
        KeyState::Retired => "",
    }
}

fn age(time: Duration) -> String {
    match time.whole_seconds() {
        seconds @ ..120 => format!("{} s", seconds.max(0)),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}
