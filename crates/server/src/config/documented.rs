//! The defaults as `docs/configuration.md` has them. A test holds that page to what the reader knows and
//! does.

use super::in_effect::InEffect;

const PAGE: &str = include_str!("../../../../docs/configuration.md");

/// Rows of the tables of settings: name, default.
pub(super) fn settings() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        let default = cells.next()?;
        // Other tables of the page begin with a setting too, and go on with reasons.
        cells.next().map(|_| (name, default.trim()))
    })
}

/// Says what holds where nobody set anything, unless the reader said it already.
pub(super) fn fill_in_defaults(in_effect: &mut [InEffect]) {
    for (name, default) in settings() {
        let unset = |it: &&mut InEffect| {
            it.setting == name && it.source == "default" && it.value == InEffect::NOTHING
        };
        if let Some(entry) = in_effect.iter_mut().find(unset) {
            default.replace('`', "").clone_into(&mut entry.value);
        }
    }
}
