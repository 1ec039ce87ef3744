//! Context words that attackers try first: the names of the service, the company and the roles.

use std::{fmt, sync::Arc};

use common::access::Role;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use zeroize::Zeroizing;

use super::{PlainPassword, blocklist};

/// The context words of one deployment. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct ContextWords {
    words: Arc<[String]>,
    skeletons: Arc<[Skeletons]>,
}

impl ContextWords {
    /// Minimum length of a word in characters. Shorter words occur in too many good passwords.
    pub const SHORTEST: usize = 4;
    /// Maximum length of a word in characters.
    pub const LONGEST: usize = 64;
    /// Maximum number of words. Each one is searched for in every new password.
    pub const MOST: usize = 64;

    /// Builds the list from these words, in lower case. Words outside [`Self::SHORTEST`] to [`Self::LONGEST`]
    /// characters are skipped, and at most [`Self::MOST`] are kept.
    pub fn new(words: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let words: Vec<String> = words
            .into_iter()
            .map(|word| word.as_ref().trim().to_lowercase())
            .filter(|word| (Self::SHORTEST..=Self::LONGEST).contains(&word.chars().count()))
            .take(Self::MOST)
            .collect();
        Self {
            skeletons: skeletons_of(words.iter().map(String::as_str)).into(),
            words: words.into(),
        }
    }

    /// The default list: the product's name and its parts, the names of this service, and the names of roles.
    pub fn of_product(product: &str) -> Self {
        let mut words: Vec<String> = vec![product.to_owned()];
        words.extend(product.split_whitespace().map(str::to_owned));
        let ours = [
            "fashionistar",
            "administrator",
            "moderator",
            "owner",
            "staff",
        ];
        let roles = Role::ALL.into_iter().map(Role::as_str);
        words.extend(ours.into_iter().chain(roles).map(str::to_owned));
        Self::new(words)
    }

    /// The words, in lower case.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// Whether the password consists of these words and the owner's own texts, and what remains is shorter
    /// than `enough` characters or is itself a common password.
    pub(super) fn make_up(
        &self,
        password: &PlainPassword,
        owner: &[String],
        enough: usize,
    ) -> bool {
        let typed = Skeletons::of(password.expose());
        let owner = skeletons_of(owner.iter().map(String::as_str));
        let mut words: Vec<&Skeletons> = self.skeletons.iter().chain(&owner).collect();
        // Longest first, so that `administrator` is not matched as `admin` plus a remainder.
        words.sort_by_key(|word| std::cmp::Reverse(word.plain.len()));
        let is_made_of_them = |form: fn(&Skeletons) -> &str| {
            let (text, texts) = (form(&typed), words.iter().map(|word| form(word)));
            is_made_of(text, texts, enough)
        };
        is_made_of_them(|it| &it.plain) || is_made_of_them(|it| &it.read_as_letters)
    }
}

impl fmt::Debug for ContextWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.words.iter()).finish()
    }
}

/// A text in the two forms used for comparison. Both are lower case and keep only letters and digits.
#[derive(Clone, PartialEq, Eq)]
struct Skeletons {
    plain: Zeroizing<String>,
    /// Look-alike digits and signs are replaced by letters, and accents are removed.
    read_as_letters: Zeroizing<String>,
}

impl Skeletons {
    /// Upper bound for compared text. Compatibility normalisation may lengthen the input up to eighteen
    /// times.
    const MOST_CHARACTERS: usize = 2 * PlainPassword::MAX_LENGTH;

    fn of(text: &str) -> Self {
        let lower = Zeroizing::new(text.to_lowercase());
        let plain = lower.nfkc().filter(|it| it.is_alphanumeric());
        let letters = lower
            .nfkd()
            .filter(|it| !is_combining_mark(*it))
            .map(as_letter)
            .filter(|it| it.is_alphanumeric());
        Self {
            plain: Zeroizing::new(plain.take(Self::MOST_CHARACTERS).collect()),
            read_as_letters: Zeroizing::new(letters.take(Self::MOST_CHARACTERS).collect()),
        }
    }

    fn reversed(&self) -> Self {
        let reverse = |text: &str| Zeroizing::new(text.chars().rev().collect());
        Self {
            plain: reverse(&self.plain),
            read_as_letters: reverse(&self.read_as_letters),
        }
    }
}

/// The skeletons of each sufficiently long word, forwards and backwards.
fn skeletons_of<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Skeletons> {
    words
        .map(Skeletons::of)
        .filter(|it| it.plain.chars().count() >= ContextWords::SHORTEST)
        .flat_map(|it| [it.reversed(), it])
        .collect()
}

/// The letter that a look-alike sign stands for. `l` and `i` share their look-alikes, so both become `i`.
const fn as_letter(c: char) -> char {
    match c {
        '4' | '@' => 'a',
        '8' => 'b',
        '(' | '{' | '[' | '<' => 'c',
        '3' => 'e',
        '6' | '9' => 'g',
        '1' | '!' | '|' | 'l' => 'i',
        '0' => 'o',
        '$' | '5' => 's',
        '+' | '7' => 't',
        '2' => 'z',
        other => other,
    }
}

fn is_made_of<'a>(text: &str, words: impl Iterator<Item = &'a str>, enough: usize) -> bool {
    /// Replaces a matched word, so that the text around it cannot join into a new match.
    const GAP: char = ' ';
    let mut rest = Zeroizing::new(text.to_owned());
    for word in words.filter(|it| !it.is_empty()) {
        if rest.contains(word) {
            rest = Zeroizing::new(rest.replace(word, " "));
        }
    }
    if rest.as_str() == text {
        return false;
    }
    let beside: Zeroizing<String> = Zeroizing::new(rest.chars().filter(|it| *it != GAP).collect());
    beside.chars().count() < enough || blocklist::is_common(&beside)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    fn is_refused(text: &str) -> bool {
        let typed = PlainPassword::from_typed(&SecretString::from(text.to_owned())).unwrap();
        ContextWords::of_product("Moda Italiana").make_up(&typed, &[], 8)
    }

    #[test]
    fn derivatives_of_the_services_own_words_are_found() {
        for text in [
            "Fashionistar2026",
            "f4shi0nistar!",
            "F@$h10n1$t@r",
            "fashionistar",
            "FASHIONISTAR!!!!",
            "2026fashionistar",
            "ratsinoihsaf26",
            "f-a-s-h-i-o-n-i-s-t-a-r",
            "fäshionistár",
            "ＦａｓｈｉｏｎｉｓｔａｒＡ",
            "Admin@2026",
            "4dm1n12345",
            "administrator!",
            "AdminAdmin123",
            "Fashionistar-Admin-1",
            "vendor.vendor.vendor",
            "support#2026",
            "ModaItaliana1",
            "italiana2026",
            "fashionistar12345678",
            "Fashionistar-password",
        ] {
            assert!(is_refused(text), "{text}");
        }
    }

    #[test]
    fn a_word_with_plenty_beside_it_is_no_derivative() {
        for text in [
            "fashionistar sells lilac harbours",
            "the admin of nine purple zeppelins",
            "x7$kQ2!mP-sales-Lw9",
            "lilac-Harbour-42-zeppelin",
            "modapqrstuvw",
            "",
        ] {
            let is_made = !text.is_empty() && is_refused(text);
            assert!(!is_made, "{text}");
        }
    }

    #[test]
    fn words_that_are_too_short_or_too_many_do_not_count() {
        let many = (0..100).map(|number| format!("word{number}"));
        assert_eq!(ContextWords::new(many).iter().count(), ContextWords::MOST);
        let odd = ["ab", " ", "  Acme  ", &"x".repeat(65)];
        let words = ContextWords::new(odd);
        assert_eq!(words.iter().collect::<Vec<_>>(), ["acme"]);
    }

    proptest! {
        #[test]
        fn whatever_is_put_around_a_word_up_to_seven_characters_is_refused(
            before in "[A-Za-z0-9!#$%&]{0,3}",
            after in "[A-Za-z0-9!#$%&]{0,4}",
            word in prop_oneof![Just("Fashionistar"), Just("f4sh10n1st4r"), Just("VENDOR"), Just("reviewer")],
        ) {
            let text = format!("{before}{word}{after}");
            prop_assert!(is_refused(&text), "{text}");
        }

        #[test]
        fn no_more_is_compared_than_the_bound(text in r"\PC{0,256}|\u{fdfa}{0,256}") {
            let skeletons = Skeletons::of(&text);
            for form in [&skeletons.plain, &skeletons.read_as_letters] {
                prop_assert!(form.chars().count() <= Skeletons::MOST_CHARACTERS);
            }
        }
    }
}
