//! The kinds of values of settings. Each parser accepts text (the form of environment variables) and, where it
//! makes sense, the equivalent TOML type. An error describes the valid form, and never contains the value.

use std::{net::IpAddr, net::SocketAddr, ops::RangeInclusive, path::PathBuf};

use adapters_crypto::is_android_app;
use figment::value::Value;
use identity_adapters_postgres::PostgresUrl;
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// A value, or a description of the valid form.
pub(super) type Parsed<T> = Result<T, String>;

/// A text that is not empty and has no control characters.
pub(super) fn text(value: &Value) -> Parsed<String> {
    match value {
        Value::String(_, text) if text.trim().is_empty() => Err("must not be empty".to_owned()),
        Value::String(_, text) if text.chars().any(char::is_control) => {
            Err("must not hold control characters".to_owned())
        }
        Value::String(_, text) => Ok(text.clone()),
        _ => Err("must be a text (in quotes)".to_owned()),
    }
}

/// A secret text; line breaks are allowed.
pub(super) fn secret(value: &Value) -> Parsed<SecretString> {
    match value {
        Value::String(_, text) if !text.trim().is_empty() => Ok(text.as_str().into()),
        _ => Err("must be a text (in quotes), and not empty".to_owned()),
    }
}

/// A URL that may contain a password.
pub(super) fn secret_url(
    schemes: &'static [&'static str],
) -> impl Fn(&Value) -> Parsed<SecretString> {
    move |value| {
        let wanted = || format!("must be a URL that begins with {}", or(schemes, "://"));
        let url = text(value)?;
        let (scheme, rest) = url.split_once("://").ok_or_else(wanted)?;
        if schemes.contains(&scheme) && !rest.is_empty() {
            Ok(url.into())
        } else {
            Err(wanted())
        }
    }
}

/// A URL of the relational store: `sqlite://…`, or a PostgreSQL URL with supported parameters only.
pub(super) fn database_url(value: &Value) -> Parsed<SecretString> {
    let url = secret_url(&["postgres", "postgresql", "sqlite"])(value)?;
    if url.expose_secret().starts_with("postgres") {
        PostgresUrl::parse(url.expose_secret()).map_err(|mistake| mistake.to_string())?;
    }
    Ok(url)
}

/// A path of the file system; relative paths start in the working directory of the service.
pub(super) fn path(value: &Value) -> Parsed<PathBuf> {
    text(value).map(PathBuf::from)
}

/// An integer within bounds.
pub(super) fn number<T: TryFrom<u64>>(bounds: RangeInclusive<u64>) -> impl Fn(&Value) -> Parsed<T> {
    move |value| {
        let number = match value {
            Value::Num(_, number) => {
                let signed = number.to_i128().and_then(|it| u64::try_from(it).ok());
                signed.or_else(|| number.to_u128().and_then(|it| u64::try_from(it).ok()))
            }
            Value::String(_, text) => text.trim().parse().ok(),
            _ => None,
        };
        let within = number.filter(|number| bounds.contains(number));
        within
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                let (least, most) = (bounds.start(), bounds.end());
                format!("must be a whole number from {least} to {most}")
            })
    }
}

/// A boolean.
pub(super) fn flag(value: &Value) -> Parsed<bool> {
    match value {
        Value::Bool(_, flag) => Ok(*flag),
        Value::String(_, text) => text
            .trim()
            .parse()
            .map_err(|_| "must be true or false".to_owned()),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A fraction from 0 to 1.
pub(super) fn share(value: &Value) -> Parsed<f32> {
    let number = match value {
        Value::Num(_, number) => {
            let whole = || number.to_u128().and_then(|it| u8::try_from(it).ok());
            number.to_f64().or_else(|| whole().map(f64::from))
        }
        Value::String(_, text) => text.trim().parse().ok(),
        _ => None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "from 0 to 1 nothing is cut off"
    )]
    number
        .filter(|number: &f64| (0.0..=1.0).contains(number))
        .map(|number| number as f32)
        .ok_or_else(|| "must be a number from 0 to 1, such as 0.25".to_owned())
}

/// One of a fixed set of names.
pub(super) fn choice<T: Copy>(
    choices: &'static [(&'static str, T)],
) -> impl Fn(&Value) -> Parsed<T> {
    move |value| {
        let chosen = value.as_str().and_then(|text| {
            let is_chosen = |(name, _): &&(&str, T)| *name == text.trim();
            choices.iter().find(is_chosen)
        });
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            format!("must be {}", or(&names, ""))
        })
    }
}

/// An IP address with a port.
pub(super) fn address(value: &Value) -> Parsed<SocketAddr> {
    let parsed = value.as_str().and_then(|text| text.trim().parse().ok());
    parsed.ok_or_else(|| {
        "must be an IP address with a port, such as 127.0.0.1:8080 or [::]:8080".to_owned()
    })
}

/// A network, or a single address.
pub(super) fn network(value: &Value) -> Parsed<IpNet> {
    let text = value.as_str().map(str::trim).unwrap_or_default();
    let network = text.parse::<IpNet>().map(|network| network.trunc());
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    network
        .or_else(|_| address())
        .map_err(|_| "must be networks, such as 10.0.0.0/8 or 192.0.2.7".to_owned())
}

/// The URL of a site or service.
pub(super) fn web_url(value: &Value) -> Parsed<Url> {
    let wanted = "must be an absolute URL that begins with https:// or http://, without user name, \
                  query and fragment";
    let parsed = value.as_str().and_then(|text| Url::parse(text.trim()).ok());
    parsed
        .filter(|url| {
            let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
            let is_bare = url.query().is_none() && url.fragment().is_none();
            is_web && is_bare && url.username().is_empty() && url.password().is_none()
        })
        .ok_or_else(|| wanted.to_owned())
}

/// URL schemes of pages inside an app (Capacitor, Ionic, Tauri). The URL standard defines no origin for them, but
/// their web views send one.
const APP_SCHEMES: [&str; 3] = ["capacitor", "ionic", "tauri"];

/// The value of a browser's `Origin` header: scheme, host and port, in lower case.
pub(super) fn origin(value: &Value) -> Parsed<String> {
    let wanted = "must be origins as browsers send them, such as https://shop.example.com or \
                  capacitor://localhost (no path, no slash at the end, no *)";
    let text = value.as_str().map(str::trim).unwrap_or_default();
    let url = Url::parse(text).ok().filter(Url::has_host);
    url.filter(|url| origin_of(url) == text)
        .map(|_| text.to_owned())
        .ok_or_else(|| wanted.to_owned())
}

fn origin_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        _ if !APP_SCHEMES.contains(&url.scheme()) => url.origin().ascii_serialization(),
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// An origin that may request passkeys: that of a page, or of an Android app.
pub(super) fn passkey_origin(value: &Value) -> Parsed<String> {
    let text = value.as_str().map(str::trim).unwrap_or_default();
    if is_android_app(text) {
        Ok(text.to_owned())
    } else if text.starts_with("android:") {
        Err(
            "of an Android app must be android:apk-key-hash: and the SHA-256 digest of its signing certificate \
             in base64url (43 characters without padding)"
                .to_owned(),
        )
    } else {
        origin(value)
    }
}

/// A domain for passkeys: a name in lower case, without scheme and port.
pub(super) fn domain(value: &Value) -> Parsed<String> {
    let wanted =
        "must be a domain in lower case, such as example.com (no scheme, no port, no address)";
    let text = value.as_str().map(str::trim).unwrap_or_default();
    let url = Url::parse(&format!("https://{text}/")).ok();
    url.filter(|url| url.domain() == Some(text) && !text.ends_with('.'))
        .map(|_| text.to_owned())
        .ok_or_else(|| wanted.to_owned())
}

/// A list of values: a TOML list, or a text with commas; a single value is a list of one.
pub(super) fn list<T>(item: impl Fn(&Value) -> Parsed<T>) -> impl Fn(&Value) -> Parsed<Vec<T>> {
    move |value| match value {
        Value::Array(_, items) => items.iter().map(&item).collect(),
        Value::String(_, text) => {
            let items = text.split(',').map(str::trim);
            items
                .filter(|text| !text.is_empty())
                .map(|text| item(&text.into()))
                .collect()
        }
        _ => Err("must be a list, or a text with commas between the items".to_owned()),
    }
}

fn or(names: &[&str], after: &str) -> String {
    let mut names: Vec<String> = names.iter().map(|name| format!("{name}{after}")).collect();
    match names.pop() {
        Some(last) if !names.is_empty() => format!("{} or {last}", names.join(", ")),
        last => last.unwrap_or_default(),
    }
}
