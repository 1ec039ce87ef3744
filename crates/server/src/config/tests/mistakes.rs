//! More than a hundred mistakes: each is refused with its setting, its source and its reason.

use super::*;

/// `setting | value of its variable | expected reason`. Each value alone is a mistake.
const OF_VARIABLES: &str = include_str!("mistakes/variables.txt");

/// Text of the file, setting, line, expected reason.
const OF_FILES: &[(&str, &str, usize, &str)] = &[
    ("mode = 1", "mode", 1, "must be development or production"),
    (
        "[http]\nlisten = 8080",
        "http.listen",
        2,
        "must be an IP address",
    ),
    (
        "[http]\nworkers = true",
        "http.workers",
        2,
        "must be a whole number",
    ),
    (
        "[http]\nworkers = -2",
        "http.workers",
        2,
        "must be a whole number",
    ),
    (
        "[http]\ntrusted_proxies = 7",
        "http.trusted_proxies",
        2,
        "must be a list",
    ),
    (
        "[http]\ntrusted_proxies = [7]",
        "http.trusted_proxies",
        2,
        "must be networks",
    ),
    (
        "[database]\nurl = ['postgres://a']",
        "database.url",
        2,
        "must be a text",
    ),
    (
        "[tokens]\naudience = 7",
        "tokens.audience",
        2,
        "must be a text (in quotes)",
    ),
    (
        "[http]\nlistn = '127.0.0.1:1'",
        "http.listn",
        2,
        "there is no such setting",
    ),
    (
        "[smtp]\nhost = 'x'\nport = 25",
        "smtp.host",
        2,
        "there is no such setting",
    ),
    ("http = 3", "http", 1, "is a section, not a setting"),
    (
        "mode = true",
        "mode",
        1,
        "must be development or production",
    ),
    ("data_dir = 7", "data_dir", 1, "must be a text (in quotes)"),
    (
        "[http]\nlisten = ['127.0.0.1:80']",
        "http.listen",
        2,
        "must be an IP address",
    ),
    (
        "[http]\n\n# more\nworkers = 2.5",
        "http.workers",
        4,
        "must be a whole number",
    ),
    (
        "[http]\ncors_origins = ['*']",
        "http.cors_origins",
        2,
        "must be origins",
    ),
    (
        "[database]\nreplica_urls = [1]",
        "database.replica_urls",
        2,
        "must be a text",
    ),
    ("[redis]\nurl = 6379", "redis.url", 2, "must be a text"),
    (
        "[mfa]\nrequired_of = 'client'",
        "mfa.required_of",
        2,
        "must be vendor",
    ),
    (
        "[mfa]\nremember_device_days = 31",
        "mfa.remember_device_days",
        2,
        "must be a whole number from 0 to 30",
    ),
    (
        "[mfa]\nrecent_sign_in_minutes = 0",
        "mfa.recent_sign_in_minutes",
        2,
        "must be a whole number from 1 to 60",
    ),
    (
        "[tokens]\naccess_ttl_seconds = ''",
        "tokens.access_ttl_seconds",
        2,
        "must be a whole number",
    ),
    (
        "[passwords]\nthreads = 1e3",
        "passwords.threads",
        2,
        "must be a whole number",
    ),
    (
        "[keys]\njson = 1",
        "keys.json",
        2,
        "must be a text (in quotes)",
    ),
    (
        "[keys]\njson_file = 1",
        "keys.json_file",
        2,
        "must be the path of a file",
    ),
    (
        "[telemetry]\nsentry_sample_rate = 2",
        "telemetry.sentry_sample_rate",
        2,
        "must be a number from 0 to 1",
    ),
    (
        "[telemetry]\nlog = ['info']",
        "telemetry.log",
        2,
        "must be a text",
    ),
    (
        "passwords.queu = 3",
        "passwords.queu",
        1,
        "did you mean passwords.queue?",
    ),
    (
        "[management]\nlisten = 9090",
        "management.listen",
        2,
        "must be an IP address",
    ),
];

/// Invalid TOML: text, and the reported line.
const NO_TOML: &[(&str, usize)] = &[
    ("[http\nlisten = 1", 1),
    ("[http]\nlisten = ", 2),
    ("[http]\nlisten = '127.0.0.1:80", 2),
    ("mode = 'a'\nmode = 'b'", 2),
    ("[http]\nworkers = 1\n[http]\nworkers = 2", 3),
    ("= 3", 1),
    ("mode 'production'", 1),
    (
        "[database]\nurl = postgres://auth:canary-of-a-store@db\n",
        2,
    ),
];

fn rows() -> Vec<(&'static str, String, &'static str)> {
    let cells = |line: &'static str| -> [&'static str; 3] {
        let cells: Vec<&str> = line.splitn(3, " | ").collect();
        cells.try_into().expect("three cells")
    };
    let rows = OF_VARIABLES.lines().map(cells);
    rows.map(|[setting, value, reason]| (setting, unescaped(value), reason))
        .collect()
}

fn unescaped(value: &str) -> String {
    value.replace("\\n", "\n").replace("\\t", "\t")
}

#[test]
fn there_are_more_than_a_hundred() {
    let count = rows().len() + OF_FILES.len() + NO_TOML.len();
    assert!(count > 100, "{count}");
    let different: std::collections::BTreeSet<_> = rows().into_iter().collect();
    assert_eq!(different.len(), rows().len());
}

/// Each is refused on its own, with its name, its source and the valid form.
#[test]
fn a_value_that_cannot_be_meant_stops_the_start() {
    for (setting, value, reason) in rows() {
        let variable = setting.replace('.', "__").to_uppercase();
        let found = mistakes(&[(&variable, &value)]);
        let [mistake] = found.as_slice() else {
            panic!("{setting}={value}: {found:?}");
        };
        let place = format!("{setting} (variable FASHIONISTAR_AUTH__{variable}): ");
        assert!(mistake.starts_with(&place), "{mistake}");
        assert!(mistake.contains(reason), "{mistake}");
        assert!(!mistake.contains("canary"), "{mistake}");
    }
}

#[test]
fn a_mistake_in_the_file_names_the_file_and_the_line() {
    for (text, setting, line, reason) in OF_FILES {
        let (path, settings) = from_file(text, &[]);
        let text = settings.unwrap_err().to_string();
        let place = format!("{setting} (file {}, line {line}): ", path.display());
        assert!(
            text.contains(&place) && text.contains(reason),
            "{place}: {text}"
        );
    }
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_the_line_and_without_showing_what_is_in_it() {
    for (text, line) in NO_TOML {
        let (path, settings) = from_file(text, &[]);
        let said = settings.unwrap_err().to_string();
        let place = format!("the configuration file (file {}", path.display());
        assert!(said.contains(&place), "{text:?}: {said}");
        assert!(said.contains(&format!("line {line}")), "{text:?}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
    let missing = PathBuf::from("/nowhere/auth.toml");
    let text = Config::for_serving(Some(&missing), &Variables::default()).unwrap_err();
    let text = text.to_string();
    assert!(
        text.contains("/nowhere/auth.toml") && text.contains("cannot be read"),
        "{text}"
    );
}

/// The whole table in one environment, as far as a variable can have only one value.
#[test]
fn however_many_there_are_all_are_told_at_once() {
    let mut first = std::collections::BTreeMap::new();
    for (setting, value, reason) in rows() {
        // A name below or above another one would hide it, and a file together with its secret is a different
        // mistake.
        let is_alone =
            !["http", "tokens", "http.listen.port", "telemetry.log.level"].contains(&setting);
        if is_alone && !setting.ends_with("_file") {
            first.entry(setting).or_insert((value, reason));
        }
    }
    let named: Vec<(String, &str)> = first
        .iter()
        .map(|(setting, (value, _))| (setting.replace('.', "__").to_uppercase(), value.as_str()))
        .collect();
    let pairs: Vec<(&str, &str)> = named
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let told = mistakes(&pairs);
    for (setting, (_, reason)) in &first {
        let of_setting = told
            .iter()
            .filter(|it| it.starts_with(&format!("{setting} (")));
        let said: Vec<_> = of_setting.collect();
        assert!(
            said.len() == 1 && said[0].contains(reason),
            "{setting}: {told:#?}"
        );
    }
    assert_eq!(told.len(), first.len(), "{told:#?}");
}

/// A variable whose name is below another variable, or below a value in the file: no tree can hold both.
#[test]
fn what_cannot_be_set_together_is_refused_and_nothing_is_dropped() {
    let listen = ("HTTP__LISTEN", "127.0.0.1:8080");
    for (pairs, place, reason) in [
        (
            [listen, ("HTTP__LISTEN__X", "1")],
            "http.listen.x (variable FASHIONISTAR_AUTH__HTTP__LISTEN__X): ",
            "FASHIONISTAR_AUTH__HTTP__LISTEN is set as well",
        ),
        (
            [listen, ("HTTP__LISTEN__X__Y", "1")],
            "http.listen.x.y (variable FASHIONISTAR_AUTH__HTTP__LISTEN__X__Y): ",
            "FASHIONISTAR_AUTH__HTTP__LISTEN is set as well",
        ),
        (
            [("HTTP", "1"), listen],
            "http (variable FASHIONISTAR_AUTH__HTTP): ",
            "is a section, not a setting",
        ),
        (
            [listen, ("http__listen", "127.0.0.1:8081")],
            "http.listen (variable FASHIONISTAR_AUTH__http__listen): ",
            "is set by FASHIONISTAR_AUTH__HTTP__LISTEN as well",
        ),
    ] {
        let told = mistakes(&pairs);
        let is_told = |it: &String| it.starts_with(place) && it.contains(reason);
        assert!(told.iter().any(is_told), "{pairs:?}: {told:?}");
    }
    for (file, variable, setting, reason) in [
        (
            "http = 3",
            "HTTP__LISTEN",
            "http.listen",
            "the file sets http as well",
        ),
        (
            "[http]\nlisten = '127.0.0.1:80'",
            "HTTP__LISTEN__X",
            "http.listen.x",
            "the file sets http.listen as well",
        ),
        (
            "[http.listen]\nport = 80",
            "HTTP__LISTEN",
            "http.listen",
            "is a section in the file",
        ),
    ] {
        let (_, settings) = from_file(file, &[(variable, "127.0.0.1:8080")]);
        let told = settings.unwrap_err();
        let is_told = |it: &Mistake| it.setting == setting && it.reason.contains(reason);
        assert!(told.iter().any(is_told), "{file}: {told}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let file = "mode = 'production'\n[tokens]\nrefresh_grace_seconds = 60\n[extra]\nkey = 1\n";
    let pairs = [
        ("HTTP__LISTEN", "x"),
        ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8"),
    ];
    let (_, settings) = from_file(file, &pairs);
    let mistakes = settings.unwrap_err();
    let named: Vec<&str> = mistakes.iter().map(|it| it.setting.as_str()).collect();
    assert_eq!(
        named,
        [
            "http.listen",
            "tokens.refresh_grace_seconds",
            "extra.key",
            "http.public_url",
            "database.url",
            "protection.exempt_networks",
            "keys.file",
            "messages.sender",
            "messages.reset_page_url",
            "messages.notice_page_url",
        ]
    );
    let text = mistakes.to_string();
    assert!(
        text.starts_with("the configuration has 10 mistakes:\n  http.listen (variable "),
        "{text}"
    );
    assert!(
        text.contains("\n  http.public_url (not set): must be set in production mode"),
        "{text}"
    );
}
