//! The defaults documented in `docs/configuration.md`. A test compares that page with the settings that the reader
//! knows and with their defaults.

use super::in_effect::InEffect;

const PAGE: &str = include_str!("../../../../docs/configuration.md");

/// The placeholder where there is no default.
const NO_DEFAULT: &str = "–";
/// The heading of a table of settings; the page also has other tables.
const HEADING: &str = "| setting | default | meaning |";

/// The rows of the tables of settings: name, default. A row may list several settings.
pub(super) fn settings() -> impl Iterator<Item = (&'static str, &'static str)> {
    let tables = PAGE.split(HEADING).skip(1);
    let rows = tables.flat_map(|table| {
        let rows = table.lines().skip(1);
        rows.take_while(|line| line.starts_with('|')).skip(1)
    });
    rows.filter_map(|row| {
        let mut cells = row.strip_prefix("| ")?.split(" | ");
        Some((cells.next()?, cells.next()?.trim()))
    })
    .flat_map(|(names, default)| {
        let names = names.split(", ").map(|name| name.trim_matches('`'));
        names.map(move |name| (name, default))
    })
}

/// Fills in the documented default of each unset setting for which the reader recorded none.
pub(super) fn fill_in_defaults(in_effect: &mut [InEffect]) {
    for (name, default) in settings() {
        let unset = |it: &&mut InEffect| {
            it.setting == name && it.source == "default" && it.value == InEffect::NOTHING
        };
        if default != NO_DEFAULT
            && let Some(entry) = in_effect.iter_mut().find(unset)
        {
            default.replace('`', "").clone_into(&mut entry.value);
        }
    }
}
