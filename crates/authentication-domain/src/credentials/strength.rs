//! Strength estimation with bounded work.
//!
//! zxcvbn looks up every part of a password once for each way to read its digits and signs as letters. The
//! client controls both factors: 128 crafted characters take 1.5 s on one core. zxcvbn therefore sees only a
//! [`sample`] of the password, limited in its number of characters and of look-alike signs, so that there are
//! at most ten readings. An estimate then costs less than the hash that follows it (ADR 0043).

use zeroize::Zeroizing;

/// zxcvbn's score (Wheeler, "zxcvbn", USENIX Security 2016): 0, found within 10³ guesses, to 4, not within 10¹⁰.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Strength(u8);

impl Strength {
    /// How many characters are examined, from the start. The estimate holds for the whole password: more
    /// characters do not make it easier to guess.
    pub const MOST_CHARACTERS: usize = 40;
    /// How many different [`LOOK_ALIKES`] a password may contain before those of one letter are merged into
    /// one.
    const MOST_LOOK_ALIKES: usize = 3;

    /// Wraps a zxcvbn score.
    pub const fn new(score: u8) -> Self {
        Self(score)
    }

    /// The score, 0 to 4.
    pub const fn score(self) -> u8 {
        self.0
    }

    /// Estimates the strength of a password. `context` holds texts that attackers of this password would try
    /// first.
    ///
    /// An estimate takes up to some milliseconds on one core. For unauthenticated requests, run it on the
    /// password hasher's pool and after the cheaper checks.
    pub fn of(password: &str, context: &[impl AsRef<str>]) -> Self {
        let context: Vec<&str> = context.iter().map(AsRef::as_ref).collect();
        Self(zxcvbn::zxcvbn(&sample(password), &context).score().into())
    }
}

/// Signs and digits that zxcvbn also reads as letters.
const LOOK_ALIKES: &str = "4@8({[<3691!|70$5+%2";

/// The part of a password that zxcvbn sees.
fn sample(password: &str) -> Zeroizing<String> {
    let first = || password.chars().take(Strength::MOST_CHARACTERS);
    let present = LOOK_ALIKES.chars().filter(|it| first().any(|c| c == *it));
    let is_crafted = present.count() > Strength::MOST_LOOK_ALIKES;
    let mut sample = Zeroizing::new(String::with_capacity(4 * Strength::MOST_CHARACTERS));
    sample.extend(first().map(|c| if is_crafted { one_for_all(c) } else { c }));
    sample
}

/// Maps all look-alikes of a letter to one of them. Digits stay, so that dates and sequences are still
/// recognised.
const fn one_for_all(c: char) -> char {
    match c {
        '@' => '4',
        '{' | '[' | '<' => '(',
        '!' | '|' => '1',
        '$' => '5',
        '+' => '7',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The letter that zxcvbn 3 reads each look-alike as.
    const TABLE: [(char, &str); 12] = [
        ('a', "4@"),
        ('b', "8"),
        ('c', "({[<"),
        ('e', "3"),
        ('g', "69"),
        ('i', "1!|"),
        ('l', "1|7"),
        ('o', "0"),
        ('s', "$5"),
        ('t', "+7"),
        ('x', "%"),
        ('z', "2"),
    ];
    /// The bound that the module documentation states.
    const MOST_READINGS: usize = 10;

    /// The number of ways in which zxcvbn reads a text, which is looked up once for each. Counts zxcvbn's own
    /// enumeration.
    fn readings(text: &str) -> usize {
        let mut readings: Vec<BTreeSet<(char, char)>> = vec![BTreeSet::new()];
        for (letter, signs) in TABLE {
            let present: Vec<char> = signs.chars().filter(|it| text.contains(*it)).collect();
            if present.is_empty() {
                continue;
            }
            let mut next = Vec::new();
            for sign in present {
                for reading in &readings {
                    let mut other = reading.clone();
                    other.retain(|(taken, _)| *taken != sign);
                    if other.len() < reading.len() {
                        next.push(reading.clone());
                    }
                    other.insert((sign, letter));
                    next.push(other);
                }
            }
            readings = next;
        }
        readings.len()
    }

    #[test]
    fn the_crafted_password_is_read_in_ten_ways_and_not_in_eight_hundred() {
        let crafted = "a4@b8c({[<e3g69i1!|l7o0s$5t+x%z2".repeat(4);
        let all: String = crafted.chars().take(100).collect();
        assert_eq!(readings(&all), 800);
        let sample = sample(&crafted);
        assert_eq!(sample.chars().count(), Strength::MOST_CHARACTERS);
        assert!(readings(&sample) <= MOST_READINGS, "{}", readings(&sample));
    }

    #[test]
    fn an_ordinary_password_is_estimated_as_it_stands() {
        for text in ["lilac-Harbour-42-zeppelin", "x7$kQ2mP", "žluťoučký kůň", ""] {
            assert_eq!(sample(text).as_str(), text);
        }
    }

    #[test]
    fn strong_ones_stay_strong_and_weak_ones_weak() {
        let none: [&str; 0] = [];
        for strong in [
            "x7$kQ2!mPz4#",
            "correct horse battery staple",
            "a4@b8c({[<e3g69i1!|l7o0s$5t+x%z2",
            "{hG<9|v!3@Lq[7+0$m(8",
        ] {
            assert!(Strength::of(strong, &none) >= Strength(3), "{strong}");
        }
        let weak = "a".repeat(Strength::MOST_CHARACTERS) + "x7$kQ2!mPz4#";
        for weak in [
            "P4$$w0rd!1!1!1",
            "19911991",
            "1!|1!|1!|1!|1!|1!|",
            weak.as_str(),
        ] {
            assert!(Strength::of(weak, &none) < Strength(3), "{weak}");
        }
        assert!(Strength::of("zeppelin-harbour", &["zeppelin-harbour"]) < Strength(3));
    }

    proptest! {
        /// The work is characters times readings and stays bounded for any input.
        #[test]
        fn no_password_buys_more_work_than_the_bound(
            crafted in r"[a4@b8c({\[<e3g69i1!|l7o0s$5t+x%z2]{0,128}",
            any in r"\PC{0,300}",
        ) {
            for password in [crafted, any] {
                let sample = sample(&password);
                prop_assert!(sample.chars().count() <= Strength::MOST_CHARACTERS);
                prop_assert!(readings(&sample) <= MOST_READINGS, "{}", sample.as_str());
            }
        }
    }
}
