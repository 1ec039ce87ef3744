//! "Did you mean": suggests the setting whose name is most similar to an unknown one.

/// The most similar of the known names, if it is similar enough.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let most = (name.len() / 4).clamp(1, 4);
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The edit distance: insertions, deletions and substitutions (Levenshtein). Names are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above, letter) in a.bytes().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        let mut next = vec![left];
        for (other, up) in b.bytes().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(letter != other);
            left = changed.min(left + 1).min(up + 1);
            diagonal = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["http.listen", "http.workers", "database.url", "redis.url"];

    #[test]
    fn a_slip_finds_its_setting_and_anything_else_finds_none() {
        let of = |name| nearest(name, KNOWN.into_iter());
        assert_eq!(of("http.listn"), Some("http.listen"));
        assert_eq!(of("http.worker"), Some("http.workers"));
        assert_eq!(of("databse.url"), Some("database.url"));
        assert_eq!(of("database.uri"), Some("database.url"));
        for other in ["verbose", "google.issuer", "http.port", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
