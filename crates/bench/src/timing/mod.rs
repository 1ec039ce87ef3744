//! Measures whether response times reveal the kind of identifier.
//!
//! A single keep-alive connection sends pairs of requests, one about an identifier of each class, back to
//! back in random order. Each identifier is used once, except that locked ones are used up to 14 times. The
//! median of the paired differences and its 99 % confidence interval must lie within a bound. A p-value is
//! not used: with so many pairs, a difference of a third of a microsecond is "significant" but useless to an
//! attacker.
//!
//! Every run proves that it can detect differences: a class compared with itself must pass, and a service
//! that skips the hash for unknown identifiers must fail.

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

/// The negative control uses one in this many pairs, since the difference it must detect is large.
const CONTROL_PART: usize = 10;
const LEAST_FOR_CONTROL: usize = 50;

/// Returns whether all cases gave the expected result, controls included.
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

/// The negative control: this release's code in this process, with a hasher that computes nothing for unknown
/// identifiers. The release binary has no such switch.
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
