//! Turns `data/` into what the crate carries: the blocklist into a finite-state set, the countries
//! into a static table. `data/README.md` says where both files come from.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use fst::SetBuilder;

const COMMON_PASSWORDS: &str = "data/common-passwords.txt";
const COUNTRIES: &str = "data/countries.tsv";

/// The calling code of a place that people have phone numbers in and ISO 3166-1 has no code of its own
/// for: Ascension, which is a part of Saint Helena there.
const CALLING_CODES_WITHOUT_COUNTRY: [&str; 1] = ["247"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={COMMON_PASSWORDS}");
    println!("cargo::rerun-if-changed={COUNTRIES}");
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let out = PathBuf::from(out);
    build_blocklist(&out.join("common-passwords.fst"))?;
    build_countries(&out.join("countries.rs"))
}

/// Fails where the file is not sorted bytewise or repeats itself, since the builder does.
fn build_blocklist(target: &Path) -> Result<(), Box<dyn Error>> {
    let mut set = SetBuilder::new(BufWriter::new(File::create(target)?))?;
    for password in fs::read_to_string(COMMON_PASSWORDS)?.lines() {
        set.insert(password)?;
    }
    set.finish()?;
    Ok(())
}

fn build_countries(target: &Path) -> Result<(), Box<dyn Error>> {
    let file = fs::read_to_string(COUNTRIES)?;
    let mut rows = String::new();
    let mut calling_codes = BTreeSet::from(CALLING_CODES_WITHOUT_COUNTRY);
    let mut count = 0;
    for line in file.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[alpha2, numeric, name, dial_code, currency] = columns.as_slice() else {
            return Err(format!("{COUNTRIES}: not five columns: {line}").into());
        };
        let id: u16 = numeric.parse()?;
        let calling_code = dial_code
            .strip_prefix('+')
            .ok_or_else(|| format!("{COUNTRIES}: no plus: {line}"))?;
        let currency = Some(currency).filter(|code| !code.is_empty());
        writeln!(
            rows,
            "    Country {{ id: {id}, alpha2: {alpha2:?}, name: {name:?}, \
             dial_code: {dial_code:?}, currency: {currency:?} }},"
        )?;
        calling_codes.insert(calling_code);
        count += 1;
    }
    // A vector prints as the array literal it stands for.
    let calling_codes = Vec::from_iter(calling_codes);
    let table = format!(
        "static COUNTRIES: [Country; {count}] = [\n{rows}];\n\n\
         static CALLING_CODES: [&str; {}] = {calling_codes:?};\n",
        calling_codes.len(),
    );
    fs::write(target, table)?;
    Ok(())
}
