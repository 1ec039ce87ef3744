use secrecy::ExposeSecret as _;

use crate::config::{Config, Variables};

/// Delivery by SMTP and by a gateway.
const PROVIDERS: [(&str, &str); 7] = [
    ("MESSAGES__SENDER", "providers"),
    ("MESSAGES__EMAIL__PROVIDER", "smtp"),
    ("MESSAGES__SMTP__HOST", "mail.example.com"),
    ("MESSAGES__SMTP__FROM", "no-reply@example.com"),
    ("MESSAGES__SMS__PROVIDER", "http"),
    ("MESSAGES__SMS__URL", "https://sms.example.com/send?v=1"),
    ("MESSAGES__SMS__TOKEN", "canary"),
];

fn read(changed: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let kept = PROVIDERS
        .iter()
        .filter(|(name, _)| changed.iter().all(|(other, _)| other != name));
    let named: Vec<(String, &str)> = kept
        .chain(changed)
        .map(|(name, value)| (format!("FASHIONISTAR_AUTH__{name}"), *value))
        .collect();
    let pairs = named.iter().map(|(name, value)| (name.as_str(), *value));
    Config::for_serving(None, &Variables::from_pairs(pairs))
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

#[test]
fn providers_are_read_with_their_defaults() {
    let messages = read(&[]).unwrap().messages;
    let smtp = &messages.email.smtp;
    assert_eq!((smtp.port, smtp.connections), (465, 8));
    assert_eq!(smtp.from.as_deref(), Some("no-reply@example.com"));
    assert_eq!(smtp.timeout, std::time::Duration::from_secs(10));
    assert_eq!(messages.sms.token.unwrap().expose_secret(), "canary");
    assert_eq!(
        (messages.email.daily_ceiling, messages.sms.daily_ceiling),
        (100_000, 10_000)
    );
    for (security, port) in [("starttls", 587), ("tls", 465)] {
        let changed = read(&[("MESSAGES__SMTP__SECURITY", security)]).unwrap();
        assert_eq!(changed.messages.email.smtp.port, port);
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let table: [(&[(&str, &str)], &str); 16] = [
        (
            &[("MESSAGES__EMAIL__PROVIDER", "")],
            "messages.email.provider (not set): must be set when messages.sender is providers: smtp or none",
        ),
        (
            &[("MESSAGES__SMS__PROVIDER", "")],
            "messages.sms.provider (not set): must be set when messages.sender is providers: http, twilio or none",
        ),
        (
            &[
                ("MESSAGES__EMAIL__PROVIDER", "none"),
                ("MESSAGES__SMS__PROVIDER", "none"),
            ],
            "messages.sms.provider (variable FASHIONISTAR_AUTH__MESSAGES__SMS__PROVIDER): must not be none together with messages.email.provider",
        ),
        (
            &[("MESSAGES__SMTP__HOST", "")],
            "messages.smtp.host (not set): must be set when messages.email.provider is smtp",
        ),
        (
            &[("MESSAGES__SMTP__FROM", "")],
            "messages.smtp.from (not set): must be set when messages.email.provider is smtp",
        ),
        (
            &[("MESSAGES__SMTP__FROM", "shop\r\nBcc: eve@example.com")],
            "must be a mail address",
        ),
        (
            &[("MESSAGES__SMTP__FROM_NAME", "shop\r\nBcc: eve@example.com")],
            "must not hold control characters",
        ),
        (
            &[("MESSAGES__SMTP__USERNAME", "shop")],
            "messages.smtp.password (not set): must be set together with messages.smtp.username",
        ),
        (
            &[("MESSAGES__SMTP__PASSWORD", "canary")],
            "messages.smtp.username (not set): must be set together with messages.smtp.password",
        ),
        (
            &[("MESSAGES__SMTP__SECURITY", "none")],
            "must be tls or starttls for a server that is not on this machine",
        ),
        (
            &[("MESSAGES__SMS__URL", "")],
            "messages.sms.url (not set): must be set when messages.sms.provider is http",
        ),
        (
            &[("MESSAGES__SMS__URL", "http://sms.example.com")],
            "must begin with https:// for a gateway that is not on this machine",
        ),
        (
            &[(
                "MESSAGES__SMS__BODY",
                r#"{"to": "{to}", "text": "{text}", "from": "{from}"}"#,
            )],
            "messages.sms.from (not set): must be set when messages.sms.body has {from}",
        ),
        (&[("MESSAGES__SMS__BODY", "to={to}")], "must be JSON"),
        (
            &[
                ("MESSAGES__SMS__PROVIDER", "twilio"),
                ("MESSAGES__SMS__AUTH_TOKEN", "canary"),
                ("MESSAGES__SMS__FROM", "+12025550123"),
            ],
            "messages.sms.account_sid (not set): must be set when messages.sms.provider is twilio",
        ),
        (
            &[("MESSAGES__DEFAULT_LANGUAGE", "english!")],
            "must be a language tag, such as en or pt-br",
        ),
    ];
    for (changed, expected) in table {
        let found = read(changed).unwrap_err();
        assert_eq!(found.len(), 1, "{changed:?}: {found:?}");
        assert!(found.first().unwrap().contains(expected), "{found:?}");
    }
}

#[test]
fn clear_text_is_for_this_machine_and_for_development() {
    for host in ["localhost", "127.0.0.1", "::1"] {
        let plain = [
            ("MESSAGES__SMTP__HOST", host),
            ("MESSAGES__SMTP__SECURITY", "none"),
        ];
        assert!(read(&plain).is_ok(), "{host}");
    }
    for url in [
        "http://localhost:8025/",
        "http://127.0.0.1/sms",
        "http://[::1]:1/",
    ] {
        assert!(read(&[("MESSAGES__SMS__URL", url)]).is_ok(), "{url}");
    }
    let found = read(&[
        ("MODE", "production"),
        ("MESSAGES__SMTP__HOST", "localhost"),
        ("MESSAGES__SMTP__SECURITY", "none"),
        ("MESSAGES__SMS__URL", "http://localhost/"),
    ])
    .unwrap_err();
    for expected in [
        "must be tls or starttls in production mode",
        "messages.sms.url (variable FASHIONISTAR_AUTH__MESSAGES__SMS__URL): must begin with https:// in production mode",
    ] {
        assert!(found.iter().any(|it| it.contains(expected)), "{found:?}");
    }
}

#[test]
fn no_secret_of_a_provider_is_shown() {
    let settings = read(&[
        ("MESSAGES__SMTP__USERNAME", "shop"),
        ("MESSAGES__SMTP__PASSWORD", "canary"),
        ("MESSAGES__SMS__AUTH_TOKEN", "canary"),
        ("MESSAGES__SMS__URL", "https://sms.example/?key=canary"),
        (
            "MESSAGES__SMS__BODY",
            r#"{"to": "{to}", "text": "{text}", "key": "canary"}"#,
        ),
    ])
    .unwrap();
    assert!(!format!("{settings:?}").contains("canary"));
}
