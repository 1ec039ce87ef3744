//! The report of an import.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use authentication_app::imports::{Outcome, Refusal};
use authentication_domain::accounts::{AccountId, LegacyId};
use serde::Serialize;

use super::{Import, json::LineFault};
use crate::commands::Failure;

/// The most names of ignored fields in a summary.
const MOST_NAMES: usize = 30;

/// A line that was rejected. Contains no personal data.
#[derive(Debug, Serialize)]
struct RefusedLine<'a> {
    line: u64,
    id: Option<&'a str>,
    code: &'a str,
    reason: String,
}

#[derive(Serialize)]
struct Mapped<'a> {
    id: &'a str,
    account_id: AccountId,
}

/// Counts the results, and writes the requested files.
pub(super) struct Report {
    refused: Box<dyn Write + Send>,
    as_text: bool,
    mapping: Option<BufWriter<File>>,
    pub(super) counts: Counts,
}

/// The number of lines by result.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) imported: u64,
    pub(super) staff: u64,
    pub(super) already_there: u64,
    pub(super) refused: BTreeMap<&'static str, u64>,
    pub(super) left_out: BTreeMap<String, u64>,
}

impl Counts {
    pub(super) fn all_refused(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Bounded, because a file can contain any number of different names.
    pub(super) fn leave_out(&mut self, field: String) {
        let is_room = self.left_out.len() < MOST_NAMES || self.left_out.contains_key(&field);
        let name = if is_room {
            field
        } else {
            "(others)".to_owned()
        };
        *self.left_out.entry(name).or_default() += 1;
    }

    pub(super) fn lines(&self) -> u64 {
        self.imported + self.already_there + self.all_refused()
    }
}

impl Report {
    pub(super) fn open(command: &Import) -> Result<Self, Failure> {
        let refused: Box<dyn Write + Send> = match &command.report {
            Some(path) => Box::new(create(path, command)?),
            None => Box::new(io::stdout()),
        };
        let mapping = command.mapping.as_deref();
        Ok(Self {
            refused,
            as_text: command.report.is_none(),
            mapping: mapping.map(|path| create(path, command)).transpose()?,
            counts: Counts::default(),
        })
    }

    pub(super) fn faulty(
        &mut self,
        line: u64,
        id: Option<&LegacyId>,
        fault: &LineFault,
    ) -> io::Result<()> {
        self.refuse(line, id, fault.code(), fault)
    }

    pub(super) fn refused(&mut self, line: u64, id: &LegacyId, why: Refusal) -> io::Result<()> {
        self.refuse(line, Some(id), why.code(), &why)
    }

    pub(super) fn told(
        &mut self,
        line: u64,
        id: &LegacyId,
        is_staff: bool,
        outcome: Outcome,
    ) -> io::Result<()> {
        let account = match outcome {
            Outcome::Imported(account) => {
                self.counts.imported += 1;
                self.counts.staff += u64::from(is_staff);
                account
            }
            Outcome::AlreadyThere(account) => {
                self.counts.already_there += 1;
                account
            }
            Outcome::Refused(why) => return self.refused(line, id, why),
        };
        if let Some(mapping) = &mut self.mapping {
            let mapped = Mapped {
                id: id.as_str(),
                account_id: account,
            };
            write_line(mapping, &mapped)?;
        }
        Ok(())
    }

    fn refuse(
        &mut self,
        line: u64,
        id: Option<&LegacyId>,
        code: &'static str,
        reason: &impl fmt::Display,
    ) -> io::Result<()> {
        *self.counts.refused.entry(code).or_default() += 1;
        let id = id.map(LegacyId::as_str);
        if self.as_text {
            let id = id.unwrap_or("unknown");
            return writeln!(self.refused, "line {line} (id {id}): {code}: {reason}");
        }
        let refused = RefusedLine {
            line,
            id,
            code,
            reason: reason.to_string(),
        };
        write_line(&mut self.refused, &refused)
    }

    /// Flushes the files, so that they are complete for their readers.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.refused.flush()?;
        self.mapping.as_mut().map_or(Ok(()), Write::flush)
    }

    /// The summary for standard output.
    pub(super) fn summary(&self, took: Duration, dry_run: bool) -> String {
        use fmt::Write as _;

        let counts = &self.counts;
        let mut text = String::new();
        let seconds = took.as_secs_f64();
        let verb = if dry_run {
            "would be imported"
        } else {
            "imported"
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{verb}: {} ({} of them staff)",
            counts.imported, counts.staff
        );
        let _ = writeln!(text, "already there: {}", counts.already_there);
        let _ = writeln!(text, "refused: {}", counts.all_refused());
        for (code, count) in &counts.refused {
            let _ = writeln!(text, "  {code}: {count}");
        }
        for (field, count) in &counts.left_out {
            let _ = writeln!(text, "field {field} means nothing here: {count} lines");
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = counts.lines() as f64 / seconds.max(0.001);
        let _ = writeln!(text, "seconds: {seconds:.1}, lines a second: {rate:.0}");
        text
    }
}

fn write_line(file: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, value)?;
    file.write_all(b"\n")
}

/// Creates an output file with access for its owner only. Replaces that of an earlier run, and refuses the path of
/// the input file.
fn create(path: &Path, command: &Import) -> Result<BufWriter<File>, Failure> {
    if let (Ok(ours), Ok(theirs)) = (fs::canonicalize(path), fs::canonicalize(&command.file))
        && ours == theirs
    {
        let reason = format!("{} is the file with the users", path.display());
        return Err(Failure::Usage(reason));
    }
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.map(BufWriter::new).map_err(|error| {
        let reason = format!("{} cannot be written: {error}", path.display());
        Failure::Usage(reason)
    })
}
