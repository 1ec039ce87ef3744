use std::fs;

use super::*;
use crate::config::Variables;

fn mistakes(pairs: &[(&str, &str)]) -> Vec<String> {
    let named: Vec<(String, &str)> = pairs
        .iter()
        .map(|(name, value)| (format!("FASHIONISTAR_AUTH__{name}"), *value))
        .collect();
    let variables =
        Variables::from_pairs(named.iter().map(|(name, value)| (name.as_str(), *value)));
    match Config::for_serving(None, &variables) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

/// The text of a mistake in a variable.
fn refused(name: &str, reason: &str) -> String {
    let setting = name.to_lowercase().replace("__", ".");
    format!("{setting} (variable FASHIONISTAR_AUTH__{name}): {reason}")
}

const ENTRA: [(&str, &str); 2] = [
    (
        "PROVIDERS__ENTRA__ISSUER",
        "https://login.example.com/tenant/v2.0",
    ),
    ("PROVIDERS__ENTRA__CLIENT_IDS", "site"),
];

fn with(more: &[(&'static str, &'static str)]) -> Vec<String> {
    mistakes(&[&ENTRA, more].concat())
}

#[test]
fn providers_are_sections_each_with_its_own_rules() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.toml");
    let text = "[google]\nclient_ids = ['g']\nhosted_domains = ['shop.example']\n\
         [providers.entra]\nissuer = 'https://login.example.com/v2.0'\nclient_ids = ['e']\n\
         label = 'Our company'\nverified_domains = ['corp.example.com']\n\
         [providers.okta]\nissuer = 'https://shop.okta.example'\nclient_ids = ['o', 'app']\n\
         client_secret = 'canary'\nredirect_uris = ['https://shop.example/cb']\n";
    fs::write(&path, text).unwrap();
    let config = Config::for_serving(Some(&path), &Variables::default()).unwrap();
    let told: Vec<_> = config
        .all_providers()
        .map(|it| {
            (
                it.name.unwrap().to_string(),
                it.label.as_str(),
                it.client_ids.len(),
            )
        })
        .collect();
    let expected = [
        ("google", "Google", 1),
        ("entra", "Our company", 1),
        ("okta", "okta", 2),
    ];
    assert_eq!(
        told,
        expected.map(|(name, label, ids)| (name.to_owned(), label, ids))
    );
    let [entra, okta] = <[_; 2]>::try_from(config.providers).unwrap();
    assert_eq!(entra.verified_domains, ["corp.example.com"]);
    assert!(entra.hosted_domains.is_empty() && entra.trusted_hosts.is_empty());
    assert_eq!(config.google.trusted_hosts, ProviderConfig::GOOGLES_HOSTS);
    assert!(!format!("{okta:?}").contains("canary"));
}

#[test]
fn providers_that_cannot_be_meant_are_refused() {
    assert_eq!(with(&[]), Vec::<String>::new());
    let unset = |setting: &str, reason: &str| format!("{setting} (not set): {reason}");
    assert_eq!(
        mistakes(&[("PROVIDERS__OKTA__LABEL", "Okta")]),
        [
            unset("providers.okta.issuer", "must be set"),
            unset(
                "providers.okta.client_ids",
                "must be set when other settings of providers.okta are"
            ),
        ]
    );
    assert_eq!(
        with(&[
            ("PROVIDERS__2ND__ISSUER", "https://a.example"),
            ("PROVIDERS__2ND__CLIENT_IDS", "a")
        ]),
        [refused(
            "PROVIDERS__2ND__ISSUER",
            &InvalidProviderName.to_string()
        )]
    );
    assert_eq!(
        with(&[("PROVIDERS__ENTRA__COLOUR", "red")]),
        [refused(
            "PROVIDERS__ENTRA__COLOUR",
            "there is no such setting"
        )]
    );
    assert_eq!(
        mistakes(&[
            ("PROVIDERS__OKTA__ISSUER", "okta.example"),
            ("PROVIDERS__OKTA__CLIENT_IDS", "a")
        ])
        .len(),
        1,
        "what was set and refused is told once"
    );
    assert_eq!(
        with(&[(
            "PROVIDERS__ENTRA__LABEL",
            "forty characters are enough for a button!"
        )]),
        [refused(
            "PROVIDERS__ENTRA__LABEL",
            "must be 40 characters at the most"
        )]
    );
}

#[test]
fn two_that_cannot_be_told_apart_are_refused() {
    let reason = "is the issuer of providers.entra too: one issuer is one provider";
    for issuer in [
        "https://login.example.com/tenant/v2.0",
        "https://login.example.com/tenant/v2.0/",
        "https://LOGIN.example.com:443/tenant/v2.0",
    ] {
        assert_eq!(
            with(&[
                ("PROVIDERS__OKTA__ISSUER", issuer),
                ("PROVIDERS__OKTA__CLIENT_IDS", "a")
            ]),
            [refused("PROVIDERS__OKTA__ISSUER", reason)],
            "{issuer}"
        );
    }
    // The name `google` under `providers`: refused together with the `google` section, accepted instead of it.
    let google = [
        ("PROVIDERS__GOOGLE__CLIENT_IDS", "a"),
        ("PROVIDERS__GOOGLE__ISSUER", "https://other.example"),
    ];
    assert_eq!(with(&google), Vec::<String>::new());
    let both = [google[0], google[1], ("GOOGLE__CLIENT_IDS", "b")];
    assert_eq!(
        mistakes(&both),
        [refused(
            "PROVIDERS__GOOGLE__CLIENT_IDS",
            "is the provider google, as google is: set one of them"
        )]
    );
}

#[test]
fn there_are_sixteen_at_the_most() {
    let names: Vec<String> = (0..17)
        .map(|number| format!("PROVIDERS__P{number}"))
        .collect();
    let settings: Vec<(String, String)> = names
        .iter()
        .flat_map(|name| {
            let issuer = format!(
                "https://{}.example.com",
                name.to_lowercase().replace("__", "-")
            );
            [
                (format!("{name}__ISSUER"), issuer),
                (format!("{name}__CLIENT_IDS"), "a".to_owned()),
            ]
        })
        .collect();
    let pairs: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        mistakes(&pairs),
        ["providers (not set): there may be 16 providers"]
    );
    assert_eq!(mistakes(&pairs[2..]), Vec::<String>::new());
}
