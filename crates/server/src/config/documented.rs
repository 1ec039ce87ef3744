//! The defaults as `docs/configuration.md` has them. A test holds that page to what the reader knows and
//! does.

use super::in_effect::InEffect;

const PAGE: &str = include_str!("../../../../docs/configuration.md");

/// In the place of a default where there is none.
const NO_DEFAULT: &str = "–";
/// The heading of a table of settings; the page has others.
const HEADING: &str = "| setting | default | meaning |";

/// Rows of the tables of settings: name, default. A row may be about several.
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

/// Says what holds where nobody set anything, unless the reader said it already.
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
