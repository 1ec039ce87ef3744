//! `users import`: a thread reads and validates lines while the previous batch is stored.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write as _},
    path::Path,
    thread,
    time::Instant,
};

use authentication_app::imports::{Candidate, Imports, Manner, Refusal};
use authentication_domain::accounts::LegacyId;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{
    Import,
    json::LineFault,
    line::{self, Told},
    lines::Lines,
    report::Report,
};
use crate::{
    commands::Failure,
    config::{Config, Variables},
    telemetry::Telemetry,
    wire::Importing,
};

const BUFFER: usize = 256 * 1024;
/// The most validated batches that wait to be stored.
const AHEAD: usize = 2;
/// How many batches are between two lines of progress.
const BATCHES_BETWEEN_NEWS: u64 = 40;

/// A validated line.
struct Judged {
    number: u64,
    left_out: Vec<String>,
    verdict: Verdict,
}

enum Verdict {
    Faulty(Option<LegacyId>, LineFault),
    Refused(LegacyId, Refusal),
    Good(Box<Candidate>),
}

type Batch = io::Result<Vec<Judged>>;

pub(super) fn run(command: &Import, config: Option<&Path>) -> Result<(), Failure> {
    let config = Config::for_commands(config, &Variables::of_this_process())?;
    let file = open(&command.file)?;
    let mut report = Report::open(command)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let telemetry = Telemetry::start(&config.telemetry).map_err(Failure::other)?;
        let done = import(command, &config, file, &mut report).await;
        telemetry.flush().await;
        done
    })
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let unreadable = |error: io::Error| {
        let reason = format!("{} cannot be read: {error}", path.display());
        Failure::other(io::Error::new(error.kind(), reason))
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    Ok(Box::new(file))
}

async fn import(
    command: &Import,
    config: &Config,
    file: Box<dyn Read + Send>,
    report: &mut Report,
) -> Result<(), Failure> {
    let importing = Importing::open(config).await?;
    let begun = Instant::now();
    let (sender, batches) = channel(AHEAD);
    let (imports, size) = (importing.imports.clone(), usize::from(command.batch));
    let reader = thread::Builder::new()
        .name("import-reader".to_owned())
        .spawn(move || judge_all(file, size, &imports, &sender))?;
    let manner = Manner {
        dry_run: command.dry_run,
        silent: command.no_events,
    };
    let kept = keep_all(&importing.imports, batches, manner, report).await;
    importing.close().await;
    // The stored batches stay stored after a later failure, so their report must be written too.
    report.flush()?;
    let summary = report.summary(begun.elapsed(), command.dry_run);
    io::stdout().write_all(summary.as_bytes())?;
    // After a failure, the reader thread may block on a pipe and is not joined; otherwise it has ended already.
    kept?;
    if reader.join().is_err() {
        return Err(Failure::other("the file was not read to its end"));
    }
    match report.counts.all_refused() {
        0 => Ok(()),
        refused => Err(Failure::other(format!("lines were refused: {refused}"))),
    }
}

/// Runs in its own thread, because files and pipes block.
fn judge_all(file: Box<dyn Read + Send>, size: usize, imports: &Imports, batches: &Sender<Batch>) {
    let mut lines = Lines::of(BufReader::with_capacity(BUFFER, file));
    let mut batch = Vec::with_capacity(size);
    loop {
        let judged = match lines.next() {
            Ok(line) => line.map(|line| judge(line.number, line::read(line.text), imports)),
            Err(error) => {
                let _ = batches.blocking_send(Err(error));
                return;
            }
        };
        let is_end = judged.is_none();
        batch.extend(judged);
        if (is_end && !batch.is_empty()) || batch.len() >= size {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(size));
            if batches.blocking_send(Ok(full)).is_err() {
                return;
            }
        }
        if is_end {
            return;
        }
    }
}

fn judge(number: u64, told: Told, imports: &Imports) -> Judged {
    let verdict = match told.user {
        Err(fault) => Verdict::Faulty(told.id, fault),
        Ok(user) => match imports.judge(&user) {
            Err(refusal) => Verdict::Refused(user.id, refusal),
            Ok(candidate) => Verdict::Good(Box::new(candidate)),
        },
    };
    Judged {
        number,
        left_out: told.left_out,
        verdict,
    }
}

async fn keep_all(
    imports: &Imports,
    mut batches: Receiver<Batch>,
    manner: Manner,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut since_news = 0;
    while let Some(batch) = batches.recv().await {
        let (numbers, candidates) = sort_out(batch?, report)?;
        let outcomes = imports.keep(&candidates, manner).await;
        let outcomes = outcomes.map_err(Failure::other)?;
        for ((number, candidate), outcome) in numbers.iter().zip(&candidates).zip(outcomes) {
            let is_staff = candidate.roles().is_staff();
            report.told(*number, candidate.legacy_id(), is_staff, outcome)?;
        }
        since_news += 1;
        if since_news == BATCHES_BETWEEN_NEWS {
            since_news = 0;
            let lines = report.counts.lines();
            tracing::info!(lines, refused = report.counts.all_refused(), "importing");
        }
    }
    Ok(())
}

/// Reports the lines that were rejected, and returns the others.
fn sort_out(batch: Vec<Judged>, report: &mut Report) -> io::Result<(Vec<u64>, Vec<Candidate>)> {
    let mut numbers = Vec::with_capacity(batch.len());
    let mut candidates = Vec::with_capacity(batch.len());
    for line in batch {
        for field in line.left_out {
            report.counts.leave_out(field);
        }
        match line.verdict {
            Verdict::Faulty(id, fault) => report.faulty(line.number, id.as_ref(), &fault)?,
            Verdict::Refused(id, why) => report.refused(line.number, &id, why)?,
            Verdict::Good(candidate) => {
                numbers.push(line.number);
                candidates.push(*candidate);
            }
        }
    }
    Ok((numbers, candidates))
}
