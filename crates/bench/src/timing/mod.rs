//! Whether an answer takes the same time whoever an identifier belongs to.
//!
//! One keep-alive connection; pairs of requests, one about an identifier of each class, back to back in
//! random order, each identifier used once; the median of the paired differences and its 99 % confidence
//! interval must lie within a bound. Never judged by a p-value: with so many pairs a difference of a third
//! of a microsecond is "significant", and of no use to anybody.
//!
//! Every run shows that it can see: the same class against itself must pass, and a service that skips the
//! hash for unknown identifiers must fail.

mod cases;
mod control;
mod pairs;
mod population;
mod report;

use clap::Args;

use crate::{
    Result, processes,
    random::Dice,
    service::{SetUp, Stores},
};
use cases::Case;
use pairs::{Bound, Finding};
use population::Population;

/// How much to measure.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    stores: Stores,
    /// Pairs for routes that compute a password hash.
    #[arg(long, default_value_t = 2_000)]
    hash_pairs: usize,
    /// Pairs for the others.
    #[arg(long, default_value_t = 5_000)]
    pairs: usize,
    /// Only cases whose name holds this text.
    #[arg(long)]
    only: Option<String>,
    /// Also writes the figures as JSON here.
    #[arg(long)]
    json: Option<std::path::PathBuf>,
}

/// Of the pairs that the negative control gets: what it must see is not small.
const CONTROL_PART: usize = 10;
const LEAST_FOR_CONTROL: usize = 50;

/// Gives whether everything is as it should be, controls included.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let database = match &options.stores.postgres_url {
        Some(server) => Some(runtime.block_on(crate::load::create_database(server))?),
        None => None,
    };
    let servers = database.as_deref().zip(options.stores.redis_url.as_deref());
    let set_up = SetUp::new(&options.stores.binary, servers)?;
    let service = set_up.start()?;
    report::head(&processes::machine(), options, servers.is_some());

    let mut dice = Dice::new();
    let mut findings = Vec::new();
    let mut population = Population::new(service.address);
    for case in cases::all() {
        if !options.wants(case.name) {
            continue;
        }
        let wanted = options.pairs_of(&case);
        let pairs = case.pairs(&mut population, wanted, || {
            control::suspender(&runtime, database.as_deref(), &set_up)
        })?;
        let found = pairs::measure(service.address, &case, &pairs, &mut dice)?;
        report::line(&found);
        findings.push(found);
    }
    drop(service);
    if options.wants(cases::NO_DUMMY_HASH) {
        let found = without_dummy_hash(options, &runtime, &mut dice)?;
        report::line(&found);
        findings.push(found);
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&findings)?)?;
    }
    let is_good = findings.iter().all(Finding::is_as_expected);
    report::verdict(is_good);
    Ok(is_good)
}

/// The negative control: this release's code in this process, with a hasher that computes nothing for
/// identifiers that nobody has. The release binary has no such switch.
fn without_dummy_hash(
    options: &Options,
    runtime: &tokio::runtime::Runtime,
    dice: &mut Dice,
) -> Result<Finding> {
    let folder = tempfile::tempdir()?;
    let (address, _running) = control::start_without_dummy_hash(runtime, folder.path())?;
    let case = cases::no_dummy_hash();
    let wanted = (options.hash_pairs / CONTROL_PART).max(LEAST_FOR_CONTROL);
    let pairs = case.pairs(&mut Population::new(address), wanted, || {
        Err("no case of the control suspends anybody".into())
    })?;
    pairs::measure(address, &case, &pairs, dice)
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|part| name.contains(part.as_str()))
    }

    const fn pairs_of(&self, case: &Case) -> usize {
        match case.bound {
            Bound::Hash => self.hash_pairs,
            Bound::NoHash => self.pairs,
        }
    }
}
