//! Finds the line of a setting in the configuration file.

use toml_edit::{ImDocument, Table};

/// The parsed document; `None` without a file, or when it is not valid TOML.
#[derive(Debug, Default)]
pub(super) struct Lines(Option<ImDocument<String>>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(ImDocument::parse(text.to_owned()).ok())
    }

    /// The line of the setting with this dotted name, counted from 1.
    pub(super) fn of_setting(&self, name: &str) -> Option<usize> {
        let document = self.0.as_ref()?;
        let place = offset(document.as_table(), name)?;
        let before = document.raw().get(..place)?;
        Some(before.bytes().filter(|byte| *byte == b'\n').count() + 1)
    }
}

fn offset(table: &Table, name: &str) -> Option<usize> {
    let (key, rest) = name.split_once('.').unwrap_or((name, ""));
    let (key, item) = table.get_key_value(key)?;
    match item.as_table() {
        Some(inner) if !rest.is_empty() => offset(inner, rest),
        _ => item.span().or_else(|| key.span()).map(|span| span.start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_however_it_is_written() {
        let text = "mode = 'production'\n# http.listen = 1\n\n[http]\nlisten = '0.0.0.0:80'\n\
                    trusted_proxies = [\n  '10.0.0.0/8',\n]\n[tokens]\naudience.x = 1\n";
        let lines = Lines::of(text);
        assert_eq!(lines.of_setting("mode"), Some(1));
        assert_eq!(lines.of_setting("http.listen"), Some(5));
        assert_eq!(lines.of_setting("http.trusted_proxies"), Some(6));
        assert_eq!(lines.of_setting("tokens.audience.x"), Some(10));
        assert_eq!(lines.of_setting("http.workers"), None);
        assert_eq!(
            Lines::of("http.workers = 3\n").of_setting("http.workers"),
            Some(1)
        );
        assert_eq!(
            Lines::of("http = { workers = 3 }\n").of_setting("http.workers"),
            Some(1)
        );
        assert_eq!(Lines::of("no toml").of_setting("no"), None);
    }
}
