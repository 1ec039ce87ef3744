//! The texts that recipients get, and the checks of an operator's templates.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use authentication_app::ports::{Gathered, LetterKind, LinkKind, OwnerLink, ResetLink};
use authentication_domain::{
    challenges::{CodeFormat, OneTimeCode, Purpose},
    credentials::CredentialKind,
    federation::ProviderName,
    opaque_token::OpaqueToken,
};
use tempfile::TempDir;
use time::{Duration, macros::datetime};

use super::{
    kinds::{KINDS, Part},
    *,
};

fn config(folder: Option<&Path>) -> TemplateConfig {
    TemplateConfig {
        product: "Fashionistar".to_owned(),
        support: Some("help@fashionistar.example".to_owned()),
        default_language: "en".to_owned(),
        reset_page: "https://shop.example/reset".to_owned(),
        notice_page: "https://shop.example/notice".to_owned(),
        providers: BTreeMap::from([(entra(), "Entra <ID>".to_owned())]),
        folder: folder.map(Path::to_owned),
    }
}

fn entra() -> ProviderName {
    ProviderName::parse("entra").unwrap()
}

fn built_in() -> Templates {
    Templates::load(config(None)).unwrap()
}

fn code(purpose: Purpose) -> LetterKind {
    let link = (purpose == Purpose::PasswordReset).then(|| ResetLink {
        token: OpaqueToken::from_random([0x5a; 16]),
        lifetime: Duration::minutes(30),
    });
    LetterKind::Code {
        purpose,
        code: OneTimeCode::from_bytes(490_317_u64.to_be_bytes(), CodeFormat::Digits),
        lifetime: Duration::minutes(10),
        link,
    }
}

fn letters() -> Vec<LetterKind> {
    let lasts = Duration::minutes(15);
    let notices = [
        LetterKind::AlreadyRegistered,
        LetterKind::SignInLocked { lasts },
        LetterKind::GuessingStopped,
        LetterKind::PasswordChanged,
        LetterKind::SessionStolen,
        LetterKind::NewDevice,
        LetterKind::RecoveryCodeUsed,
        LetterKind::RecoveryCodesLow,
        LetterKind::IdentifierChanged,
        LetterKind::IdentifierRestored,
        LetterKind::AccountSecured,
        LetterKind::FactorResetAnnounced {
            wait: Duration::hours(72),
        },
        LetterKind::FactorsReset,
        LetterKind::PasskeyCopySuspected,
        LetterKind::SecondFactorRefused,
        LetterKind::AuthenticatorClosed,
    ];
    let codes = Purpose::ALL.into_iter().map(code);
    let about_credentials = CredentialKind::ALL.into_iter().flat_map(|what| {
        [
            LetterKind::CredentialAdded(what),
            LetterKind::CredentialRemoved(what),
        ]
    });
    codes.chain(notices).chain(about_credentials).collect()
}

/// The link in a letter of this kind.
fn link_in(kind: &LetterKind) -> Option<OwnerLink> {
    let (kind, lifetime) = match kind {
        LetterKind::Code { .. }
        | LetterKind::AlreadyRegistered
        | LetterKind::SignInLocked { .. }
        | LetterKind::GuessingStopped
        | LetterKind::IdentifierRestored
        | LetterKind::PasskeyCopySuspected
        | LetterKind::AccountSecured => return None,
        LetterKind::IdentifierChanged => (LinkKind::IdentifierUndo, Duration::hours(72)),
        _ => (LinkKind::NotMe, Duration::days(7)),
    };
    Some(OwnerLink {
        kind,
        token: OpaqueToken::from_random([0xa5; 16]),
        lifetime,
    })
}

fn write(
    templates: &Templates,
    kind: LetterKind,
    language: &str,
    channel: Channel,
) -> WrittenLetter {
    write_gathered(templates, kind, None, language, channel)
}

fn write_gathered(
    templates: &Templates,
    kind: LetterKind,
    gathered: Option<Gathered>,
    language: &str,
    channel: Channel,
) -> WrittenLetter {
    let letter = Letter {
        link: link_in(&kind),
        kind,
        gathered,
        language: Some(language.to_owned()),
    };
    templates.write(&letter, channel).unwrap()
}

/// The kinds of notices that can be gathered into one letter.
fn gathered_letters() -> impl Iterator<Item = LetterKind> {
    letters().into_iter().filter(|kind| {
        !matches!(
            kind,
            LetterKind::Code { .. }
                | LetterKind::AlreadyRegistered
                | LetterKind::IdentifierChanged
                | LetterKind::IdentifierRestored
                | LetterKind::AccountSecured
                | LetterKind::FactorResetAnnounced { .. }
                | LetterKind::FactorsReset
        )
    })
}

/// A number of acts, a minute apart.
fn gathered(acts: u32) -> Gathered {
    let since = datetime!(2026-11-29 14:02 UTC);
    let at = |act| since + Duration::minutes(act);
    let listed = i64::from(acts).min(10);
    Gathered {
        since,
        acts,
        times: (1..=listed).map(at).collect(),
        last: at(acts.into()),
    }
}

fn summaries(language: &str) -> String {
    let mut all = String::new();
    for (kind, acts) in gathered_letters().zip([1, 2, 19].into_iter().cycle()) {
        let name = TemplateKind::of_one(&kind).name;
        let gathered = Some(gathered(acts));
        let mail = write_gathered(&built_in(), kind, gathered, language, Channel::Email);
        let (subject, text, page) = (mail.subject, mail.text, mail.html.unwrap());
        let _ = writeln!(all, "==== {name}, {acts}\n{subject}\n----\n{text}\n");
        let _ = writeln!(all, "---- page\n{page}\n");
    }
    for kind in gathered_letters() {
        let gathered = Some(gathered(19));
        let text = write_gathered(&built_in(), kind, gathered, language, Channel::Sms).text;
        let _ = writeln!(all, "---- {text}");
    }
    all
}

#[test]
fn what_people_read_of_several_notices_at_once() {
    insta::assert_snapshot!("summaries_en", summaries("en"));
    insta::assert_snapshot!("summaries_fr", summaries("fr"));
}

/// Each kind has its own wording.
#[test]
fn every_summary_says_what_happened() {
    for language in ["en", "fr"] {
        let texts = gathered_letters().flat_map(|kind| {
            let gathered = Some(gathered(2));
            let mail = write_gathered(&built_in(), kind, gathered, language, Channel::Email);
            [mail.text.replace('\n', " "), mail.html.unwrap()]
        });
        let mut seen = BTreeSet::new();
        for text in texts {
            assert!(!text.contains(": .") && !text.contains(":."), "{text}");
            assert!(seen.insert(text.clone()), "twice: {text}");
        }
    }
}

fn all_mails(language: &str) -> (String, String) {
    let (mut texts, mut pages) = (String::new(), String::new());
    for kind in letters() {
        let name = TemplateKind::of_one(&kind).name;
        let mail = write(&built_in(), kind, language, Channel::Email);
        let _ = writeln!(
            texts,
            "==== {name}\n{}\n----\n{}\n",
            mail.subject, mail.text
        );
        let _ = writeln!(pages, "==== {name}\n{}\n", mail.html.unwrap());
    }
    (texts, pages)
}

fn all_texts(language: &str) -> String {
    let mut texts = String::new();
    for kind in letters() {
        let name = TemplateKind::of_one(&kind).name;
        let text = write(&built_in(), kind, language, Channel::Sms).text;
        let _ = writeln!(texts, "==== {name}\n{text}\n");
    }
    texts
}

#[test]
fn what_people_read_in_english() {
    let (texts, pages) = all_mails("en");
    insta::assert_snapshot!("mails_en", texts);
    insta::assert_snapshot!("pages_en", pages);
    insta::assert_snapshot!("text_messages_en", all_texts("en"));
}

#[test]
fn what_people_read_in_french() {
    let (texts, pages) = all_mails("fr");
    insta::assert_snapshot!("mails_fr", texts);
    insta::assert_snapshot!("pages_fr", pages);
    insta::assert_snapshot!("text_messages_fr", all_texts("fr"));
}

/// A longer text costs twice, and a character outside GSM 03.38 more than halves what fits.
#[test]
fn every_text_message_fits_into_one() {
    let alphabet = "@£$¥èéùìòÇØøÅåÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
    for language in ["en", "fr"] {
        let several = gathered_letters().map(|kind| (kind, Some(gathered(999))));
        for (kind, gathered) in letters().into_iter().map(|it| (it, None)).chain(several) {
            let text = write_gathered(&built_in(), kind, gathered, language, Channel::Sms).text;
            let foreign: String = text
                .chars()
                .filter(|it| !it.is_ascii_alphanumeric() && !alphabet.contains(*it))
                .collect();
            assert_eq!(foreign, "", "not in GSM 03.38: {text}");
            let length = text.chars().count();
            assert!(length <= 160, "{length}: {text}");
        }
    }
}

#[test]
fn the_language_is_the_persons_or_a_near_one_or_the_default() {
    let french = Templates::load(TemplateConfig {
        default_language: "fr".to_owned(),
        ..config(None)
    })
    .unwrap();
    let templates = built_in();
    for (asked_for, got) in [
        ("en", "en"),
        ("fr", "fr"),
        ("FR", "fr"),
        ("fr-CI", "fr"),
        ("yo", "en"),
    ] {
        assert_eq!(templates.language(Some(asked_for)), got);
    }
    assert_eq!(templates.language(None), "en");
    assert_eq!(
        (french.language(None), french.language(Some("yo"))),
        ("fr", "fr")
    );
}

#[test]
fn what_is_put_into_html_is_escaped() {
    let templates = Templates::load(TemplateConfig {
        product: "<b>Fish & \"Chips\"</b>".to_owned(),
        ..config(None)
    })
    .unwrap();
    let mail = write(
        &templates,
        LetterKind::PasswordChanged,
        "en",
        Channel::Email,
    );
    let html = mail.html.unwrap();
    assert!(
        html.contains("&lt;b&gt;Fish &amp; &quot;Chips&quot;&lt;"),
        "{html}"
    );
    assert!(mail.subject.contains("<b>Fish & \"Chips\"</b>"));
}

/// The provider has its configured label, or its name if it is no longer configured.
#[test]
fn a_notice_says_which_provider() {
    let templates = built_in();
    let okta = ProviderName::parse("okta").unwrap();
    for (provider, language, told) in [
        (entra(), "en", "sign-in with Entra <ID>"),
        (entra(), "fr", "la connexion avec Entra <ID>"),
        (okta, "en", "sign-in with okta"),
        (ProviderName::GOOGLE, "en", "sign-in with Google"),
    ] {
        for kind in [LetterKind::CredentialAdded, LetterKind::CredentialRemoved] {
            let letter = || kind(CredentialKind::sign_in_with(provider));
            let mail = write(&templates, letter(), language, Channel::Email);
            assert!(mail.text.contains(told), "{}", mail.text);
            let html = mail.html.unwrap();
            assert!(!html.contains("<ID>"), "{html}");
            let sms = write(&templates, letter(), language, Channel::Sms);
            assert!(sms.text.contains(told), "{}", sms.text);
        }
    }
}

// --- templates in an operator's folder

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn mistakes(files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder(files);
    let Err(mistakes) = Templates::load(config(Some(folder.path()))) else {
        panic!("nothing was found");
    };
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_over_a_built_in_one_replaces_it_and_no_other() {
    let folder = folder(&[
        (
            "en/sign_in_code.txt",
            "{{ product }}\n\nYour code: {{ code }}\n",
        ),
        ("en/.hidden", "is nobody's business"),
    ]);
    let templates = Templates::load(config(Some(folder.path()))).unwrap();
    let mail = write(&templates, code(Purpose::SignIn), "en", Channel::Email);
    assert_eq!(
        (mail.subject.as_str(), mail.text.as_str()),
        ("Fashionistar", "Your code: 490317")
    );
    assert!(
        mail.html.unwrap().contains("490317"),
        "the page is the built-in one"
    );
    let other = write(
        &templates,
        code(Purpose::Registration),
        "en",
        Channel::Email,
    );
    assert_eq!(other.subject, "Your Fashionistar code");
}

#[test]
fn a_whole_new_language_can_be_added() {
    let english = built_in::BUILT_IN
        .iter()
        .filter(|(language, ..)| *language == "en");
    let files: Vec<(String, &str)> = english
        .map(|(_, file, source)| (format!("pt-br/{file}"), *source))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), *text))
        .collect();
    let folder = folder(&files);
    let templates = Templates::load(TemplateConfig {
        default_language: "pt-br".to_owned(),
        ..config(Some(folder.path()))
    })
    .unwrap();
    let mail = write(
        &templates,
        LetterKind::PasswordChanged,
        "pt-BR",
        Channel::Email,
    );
    assert_eq!(mail.language, "pt-br");
    assert!(mail.html.unwrap().contains("<html lang=\"pt-br\">"));
}

#[test]
fn every_mistake_is_told_at_once_with_its_file() {
    let found = mistakes(&[
        ("en/sign_in_code.txt", "Code\n\n{% if code %}{{ code }}"),
        ("en/sign_in.txt", "no such file"),
        ("English/sign_in_code.txt", "no such tag"),
        ("notes.txt", "in the wrong place"),
        ("de/layout.html", "{% block content %}{% endblock %}"),
    ]);
    let has = |part: &str| found.iter().any(|mistake| mistake.contains(part));
    assert!(
        has("en/sign_in_code.txt: line 3: syntax error"),
        "{found:#?}"
    );
    assert!(has(
        "en/sign_in.txt: is no template; those are registration_code.txt, "
    ));
    assert!(has("English: is no folder of a language"));
    assert!(has("notes.txt: is no folder of a language"));
    assert!(has("de/sign_in_code.txt: is missing"));
    assert_eq!(
        found.iter().filter(|it| it.contains("is missing")).count(),
        KINDS.len() * Part::ALL.len()
    );
}

#[test]
fn a_template_that_could_fail_or_forgets_the_code_is_refused() {
    for (file, text, reason) in [
        (
            "en/sign_in_code.sms.txt",
            "{{ code }} {{ name }}",
            "there is no name for it to speak of",
        ),
        (
            "en/password_changed.sms.txt",
            "{{ code }}",
            "there is no code for it to speak of",
        ),
        (
            "en/layout.html",
            "{{ code }}{% block content %}{% endblock %}",
            "there is no code for it to speak of",
        ),
        (
            "en/sign_in_code.sms.txt",
            "Sign in!",
            "does not tell the code: {{ code }}",
        ),
        (
            "fr/reset_code.html",
            "<p>{{ link }}</p>",
            "does not tell the code: {{ code }}",
        ),
        ("en/sign_in_code.sms.txt", "{{ code|shout }}", "filter"),
        (
            "en/sign_in_code.html",
            "{% extends \"frame.html\" %}{{ code }}",
            "frame.html",
        ),
        ("en/sign_in_code.txt", "\n\n", "does not tell the code"),
        (
            "en/password_changed.txt",
            "only a subject",
            "must say something",
        ),
        ("en/password_changed.sms.txt", "  ", "must say something"),
    ] {
        let found = mistakes(&[(file, text)]);
        assert_eq!(found.len(), 1, "{file} {text}: {found:?}");
        let told = found.first().unwrap();
        assert!(told.starts_with(file) && told.contains(reason), "{told}");
    }
}

#[test]
fn a_default_language_without_templates_is_refused() {
    let Err(found) = Templates::load(TemplateConfig {
        default_language: "yo".to_owned(),
        ..config(None)
    }) else {
        panic!("nothing was found");
    };
    let reason = "yo: is the default language and has no templates; there are en, fr";
    assert_eq!(found.first().unwrap().to_string(), reason);
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let Err(found) = Templates::load(config(Some(Path::new("/no/such/folder")))) else {
        panic!("nothing was found");
    };
    assert!(
        found
            .first()
            .unwrap()
            .to_string()
            .starts_with("the folder: cannot be read")
    );
}
