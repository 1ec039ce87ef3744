//! Prints the findings for human readers.

use super::{
    Options,
    pairs::{Expected, Finding},
};

pub(super) fn head(machine: &str, options: &Options, on_servers: bool) {
    let stores = if on_servers {
        "PostgreSQL and Redis"
    } else {
        "SQLite"
    };
    println!("{machine}");
    println!(
        "{stores}; {} pairs for routes with a hash, {} for the others; milliseconds, medians, 99 % intervals",
        options.hash_pairs, options.pairs
    );
    println!();
    println!(
        "{:<42} {:>6} {:>9} {:>9} {:>11} {:>22} {:>8}  verdict",
        "", "pairs", "known", "unknown", "difference", "interval", "bound"
    );
}

pub(super) fn line(found: &Finding) {
    let passes = if found.passes { "pass" } else { "fail" };
    let verdict = match (found.is_as_expected(), found.expected) {
        (true, Expected::NoDifference) => passes.to_owned(),
        (true, Expected::Difference) => format!("{passes}, as it must"),
        (false, _) => format!("{passes}, NOT AS EXPECTED"),
    };
    let interval = format!("{:+.4} … {:+.4}", found.low, found.high);
    println!(
        "{:<42} {:>6} {:>9.4} {:>9.4} {:>+11.4} {:>22} {:>8.3}  {verdict}",
        found.name,
        found.pairs,
        found.known,
        found.unknown,
        found.difference,
        interval,
        found.bound
    );
}

pub(super) fn verdict(is_good: bool) {
    println!();
    println!(
        "{}",
        if is_good {
            "No class can be told from another, and the controls show that it would have been seen."
        } else {
            "Something is not as it should be. On a busy machine: once more on a quiet one before believing it."
        }
    );
}
