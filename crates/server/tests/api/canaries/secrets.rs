//! What must not be found, and how it is recognised in any form.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use super::places::Place;

/// Where a value can be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Long enough to be nowhere by chance.
    Unique,
    /// Six digits: in text only, as a word of its own. In another form they are as good as unique.
    Code,
}

/// Everything that must be nowhere in clear, by its value.
#[derive(Default)]
pub(crate) struct Secrets {
    known: Mutex<BTreeMap<String, (Kind, String)>>,
}

impl Secrets {
    pub(crate) fn note(&self, kind: Kind, what: &str, value: &str) {
        self.known()
            .insert(value.to_owned(), (kind, what.to_owned()));
    }

    /// A new value of letters and digits; those that are nowhere else are what is looked for.
    pub(crate) fn make(&self, what: &str) -> String {
        let unique = unique();
        self.note(Kind::Unique, what, &unique);
        format!("{unique}Kanari")
    }

    /// A code as the service makes them.
    pub(crate) fn make_code(&self, what: &str) -> String {
        let number = u64::from_str_radix(&unique(), 16).expect("digits");
        let code = format!("{:06}", number % 1_000_000);
        self.note(Kind::Code, what, &code);
        code
    }

    /// Notes what an answer or a message hands out.
    pub(crate) fn collect(&self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) => self.collect_text(name, text),
                        Value::Array(codes) if name == "recovery_codes" => {
                            self.collect_codes(codes);
                        }
                        other => self.collect(other),
                    }
                }
            }
            _ => {}
        }
    }

    fn collect_codes(&self, codes: &[Value]) {
        for code in codes.iter().filter_map(Value::as_str) {
            for form in [code.to_owned(), code.replace('-', "")] {
                self.note(Kind::Unique, "a recovery code", &form);
            }
        }
    }

    /// A code that nothing of ours handed out.
    pub(crate) fn note_code(&self, code: &str) {
        self.note(Kind::Code, "a code", code);
    }

    fn collect_text(&self, name: &str, text: &str) {
        match name {
            // What is signed names ids, which are no secrets; the signature is what makes it a token.
            "access_token" | "refresh_token" | "device_token" => {
                let (_, signature) = text.rsplit_once('.').expect("a signed token");
                self.note(Kind::Unique, name, signature);
            }
            "challenge_id" => self.note(Kind::Unique, name, text),
            "secret" => self.note(Kind::Unique, "the secret of an authenticator app", text),
            "code" if is_code(text) => self.note(Kind::Code, "a code", text),
            "text" => {
                for (mark, what) in [
                    ("#token=", "the token of a mailed link"),
                    ("#not-me=", "the token of a notice"),
                    ("#undo=", "the token of a notice of a change"),
                ] {
                    if let Some((_, token)) = text.split_once(mark) {
                        let token = token.split_whitespace().next().expect("a token");
                        self.note(Kind::Unique, what, token);
                    }
                }
            }
            _ => {}
        }
    }

    pub(crate) fn count_of(&self, what: &str) -> usize {
        self.known().values().filter(|(_, it)| it == what).count()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, (Kind, String)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Sixteen hexadecimal digits that nobody else has.
pub(crate) fn unique() -> String {
    testkit::unique_name()
        .trim_start_matches("test_")
        .to_owned()
}

/// One form of one secret, in lower case.
struct Needle {
    kind: Kind,
    what: String,
    form: &'static str,
    bytes: Vec<u8>,
}

/// A secret in clear.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) what: String,
    pub(crate) place: String,
    #[expect(dead_code, reason = "shown when the test fails")]
    pub(crate) form: &'static str,
    #[expect(dead_code, reason = "shown when the test fails")]
    pub(crate) context: String,
}

/// Looks for all secrets at once, whatever the case of letters.
pub(crate) struct Scanner {
    needles: Vec<Needle>,
    /// Needles by their first two bytes.
    by_start: Vec<Vec<usize>>,
}

impl Scanner {
    pub(crate) fn of(secrets: &Secrets) -> Self {
        let mut needles = Vec::new();
        for (value, (kind, what)) in secrets.known().iter() {
            for (form, text) in forms_of(value) {
                let (kind, what, bytes) =
                    (*kind, what.clone(), text.to_ascii_lowercase().into_bytes());
                // In another form six digits are twelve or eight characters.
                let kind = if form == "clear" || kind != Kind::Code {
                    kind
                } else {
                    Kind::Unique
                };
                needles.push(Needle {
                    kind,
                    what,
                    form,
                    bytes,
                });
            }
        }
        let mut by_start = vec![Vec::new(); 1 << 16];
        for (number, needle) in needles.iter().enumerate() {
            by_start[pair(needle.bytes[0], needle.bytes[1])].push(number);
        }
        Self { needles, by_start }
    }

    /// What is in there that should not be, with what stands around it.
    pub(crate) fn findings_in(&self, place: &Place) -> Vec<Finding> {
        let content = place.content.to_ascii_lowercase();
        let mut findings = Vec::new();
        for (start, bytes) in content.windows(2).enumerate() {
            for number in &self.by_start[pair(bytes[0], bytes[1])] {
                let needle = &self.needles[*number];
                if content[start..].starts_with(&needle.bytes)
                    && place.counts(needle.kind, start, needle.bytes.len())
                {
                    findings.push(Finding {
                        what: needle.what.clone(),
                        place: place.name.clone(),
                        form: needle.form,
                        context: place.around(start),
                    });
                }
            }
        }
        findings
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// A text as it may have been written down.
fn forms_of(value: &str) -> Vec<(&'static str, String)> {
    let numbers: Vec<String> = value.bytes().map(|byte| byte.to_string()).collect();
    let mut forms = vec![
        ("clear", value.to_owned()),
        ("hex", hex_of(value)),
        ("list of bytes", numbers.join(",")),
        ("list of bytes", numbers.join(", ")),
    ];
    // Three bytes become four characters, so what stands before it changes how it looks: the characters that
    // it shares with its neighbours are left out.
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend(value.bytes());
        let shared_at_end = usize::from(bytes.len() % 3 != 0);
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = alphabet.encode(&bytes);
            let own = &encoded[[0, 2, 3][before]..encoded.len() - shared_at_end];
            forms.push(("base64", own.to_owned()));
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

pub(crate) fn hex_of(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
