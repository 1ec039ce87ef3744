mod in_effect;
mod mistakes;
mod production;
mod secrets;
mod values;

use std::{fs, path::PathBuf};

use secrecy::ExposeSecret as _;

use super::*;

/// These variables, given without their prefix.
fn variables(pairs: &[(&str, &str)]) -> Variables {
    let named: Vec<(String, &str)> = pairs
        .iter()
        .map(|(name, value)| (format!("FASHIONISTAR_AUTH__{name}"), *value))
        .collect();
    Variables::from_pairs(named.iter().map(|(name, value)| (name.as_str(), *value)))
}

fn settings(pairs: &[(&str, &str)]) -> Config {
    Config::for_serving(None, &variables(pairs)).unwrap()
}

fn mistakes(pairs: &[(&str, &str)]) -> Vec<String> {
    let mistakes = Config::for_serving(None, &variables(pairs)).unwrap_err();
    mistakes.iter().map(ToString::to_string).collect()
}

fn from_file(text: &str, pairs: &[(&str, &str)]) -> (PathBuf, Result<Config, Mistakes>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.toml");
    fs::write(&path, text).unwrap();
    let settings = Config::for_serving(Some(&path), &variables(pairs));
    (path, settings)
}

/// The minimal settings for production mode.
const PRODUCTION: [(&str, &str); 6] = [
    ("MODE", "production"),
    (
        "DATABASE__URL",
        "postgres://auth:canary-of-a-store@db.example/auth?sslmode=verify-full",
    ),
    ("REDIS__URL", "rediss://:canary-of-a-store@redis.example"),
    ("HTTP__PUBLIC_URL", "https://auth.example.com"),
    ("KEYS__FILE", "/run/secrets/keys.json"),
    ("MESSAGES__SENDER", "none"),
];

fn production_but(name: &str, value: &str) -> Vec<(String, String)> {
    let kept = PRODUCTION.iter().filter(|(other, _)| *other != name);
    let changed = std::iter::once((name, value));
    kept.copied()
        .chain(changed)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
