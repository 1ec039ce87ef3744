//! The effective value of every setting, and its source. The reader records them while it reads, so no setting can
//! be missed; secrets are masked before they are recorded.

use std::any::type_name;

use figment::value::Value;
use serde::Serialize;

use super::mistake::Place;

/// Replaces a secret, and reveals only that there is one.
const MASK: &str = "(secret)";

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InEffect {
    /// The dotted name.
    pub setting: String,
    /// The value, masked if it is a secret.
    pub value: String,
    /// The source of the value.
    pub source: String,
}

impl InEffect {
    /// Replaces the value of an unset setting.
    pub(super) const NOTHING: &str = "none";

    /// Records a setting that was set. Its type decides whether the value is shown: types that may hold a secret
    /// are masked.
    pub(super) fn set<T>(setting: &str, value: &Value, place: &Place) -> Self {
        let shown = if may_be_shown::<T>() || is_a_word(value) && !is_secret::<T>() {
            without_query::<T>(plain(value))
        } else {
            MASK.to_owned()
        };
        Self {
            setting: setting.to_owned(),
            // Control characters are replaced, because the value is printed to a terminal.
            value: shown.replace(char::is_control, "\u{fffd}"),
            source: place.to_string(),
        }
    }

    /// Records a setting that was not set.
    pub(super) fn default(setting: &str) -> Self {
        Self {
            setting: setting.to_owned(),
            value: Self::NOTHING.to_owned(),
            source: "default".to_owned(),
        }
    }
}

/// Whether settings of this type are secrets, single or in a list.
pub(super) fn is_secret<T>() -> bool {
    type_name::<T>().contains("SecretBox")
}

/// Whether values of this type can never hold a secret. An unknown type is assumed to hold one.
fn may_be_shown<T>() -> bool {
    const PLAIN: [&str; 14] = [
        "bool",
        "u8",
        "u16",
        "u32",
        "u64",
        "usize",
        "f32",
        "alloc::string::String",
        "std::path::PathBuf",
        "core::net::socket_addr::SocketAddr",
        "ipnet::ipnet::IpNet",
        "url::Url",
        "core::time::Duration",
        "server::config::events::SinkChoice",
    ];
    let name = type_name::<T>();
    let item = name
        .strip_prefix("alloc::vec::Vec<")
        .and_then(|name| name.strip_suffix('>'))
        .unwrap_or(name);
    PLAIN.contains(&item)
}

/// Whether the value is a keyword such as `development`, whose type is known only to its section, or a list of
/// keywords.
fn is_a_word(value: &Value) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    match value {
        Value::String(_, text) => text.split(',').all(|word| {
            let word = word.trim();
            word.len() <= 20 && word.bytes().all(is_plain)
        }),
        Value::Array(_, items) => items.iter().all(is_a_word),
        _ => false,
    }
}

/// Removes the query of a URL, which may contain a key.
fn without_query<T>(text: String) -> String {
    match text.split_once('?') {
        Some((before, _)) if type_name::<T>().contains("url::Url") => format!("{before}?…"),
        _ => text,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Char(_, letter) => letter.to_string(),
        Value::Bool(_, yes) => yes.to_string(),
        Value::Num(_, number) => number
            .to_i128()
            .map(|it| it.to_string())
            .or_else(|| number.to_u128().map(|it| it.to_string()))
            .or_else(|| number.to_f64().map(|it| it.to_string()))
            .unwrap_or_default(),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            items.join(",")
        }
        Value::Empty(..) | Value::Dict(..) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    struct Unknown;

    #[test]
    fn only_what_can_hold_no_secret_is_shown() {
        let place = Place::Unset;
        let shown = |it: InEffect| it.value;
        let text = Value::from("postgres://auth:canary-of-a-store@db");
        assert_eq!(
            shown(InEffect::set::<SecretString>("a", &text, &place)),
            MASK
        );
        assert_eq!(
            shown(InEffect::set::<Vec<SecretString>>("a", &text, &place)),
            MASK
        );
        assert_eq!(shown(InEffect::set::<Unknown>("a", &text, &place)), MASK);
        let word = Value::from("mailbox");
        assert_eq!(
            shown(InEffect::set::<SecretString>("a", &word, &place)),
            MASK
        );
        let words = Value::from(vec!["log", "redis"]);
        assert_eq!(
            shown(InEffect::set::<Vec<Unknown>>("a", &words, &place)),
            "log,redis"
        );
        assert_eq!(
            shown(InEffect::set::<Vec<SecretString>>("a", &words, &place)),
            MASK
        );
        assert_eq!(
            shown(InEffect::set::<Unknown>("a", &word, &place)),
            "mailbox"
        );
        assert_eq!(
            shown(InEffect::set::<u32>("a", &Value::from(7_u32), &place)),
            "7"
        );
        let keyed = Value::from("https://gateway/send?key=canary");
        assert_eq!(
            shown(InEffect::set::<url::Url>("a", &keyed, &place)),
            "https://gateway/send?…"
        );
        let list = Value::from(vec!["10.0.0.0/8", "::1"]);
        assert_eq!(
            shown(InEffect::set::<Vec<ipnet::IpNet>>("a", &list, &place)),
            "10.0.0.0/8,::1"
        );
        assert_eq!(
            shown(InEffect::set::<std::net::SocketAddr>(
                "a",
                &Value::from("::1"),
                &place
            )),
            "::1"
        );
        assert_eq!(
            shown(InEffect::set::<url::Url>(
                "a",
                &Value::from("https://a"),
                &place
            )),
            "https://a"
        );
        assert_eq!(
            shown(InEffect::set::<std::path::PathBuf>(
                "a",
                &Value::from("/a"),
                &place
            )),
            "/a"
        );
    }
}
