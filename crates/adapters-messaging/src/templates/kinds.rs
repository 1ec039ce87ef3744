//! The kinds of letters, and the variables of their templates.

use authentication_app::ports::{Letter, LetterKind};
use authentication_domain::challenges::Purpose;

/// The frame around the HTML of every letter.
pub(super) const LAYOUT: &str = "layout.html";

/// The variables of every template.
const COMMON: [&str; 3] = ["product", "support", "language"];

/// A kind of letter, with its templates.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplateKind {
    /// The base name of its files, without extension.
    pub(super) name: &'static str,
    /// The variables of its templates, in addition to [`COMMON`].
    pub(super) variables: &'static [&'static str],
}

const CODE: &[&str] = &["code", "minutes"];
const NOT_ME: &[&str] = &["link", "link_days"];
const ABOUT_CREDENTIALS: &[&str] = &["what", "provider", "link", "link_days"];

const REGISTRATION: TemplateKind = kind("registration_code", CODE);
const SIGN_IN: TemplateKind = kind("sign_in_code", CODE);
const SECOND_FACTOR: TemplateKind = kind("second_factor_code", CODE);
const RESET: TemplateKind = kind("reset_code", &["code", "minutes", "link", "link_minutes"]);
const ALREADY_REGISTERED: TemplateKind = kind("already_registered", &[]);
const SIGN_IN_LOCKED: TemplateKind = kind("sign_in_locked", &["minutes"]);
const GUESSING_STOPPED: TemplateKind = kind("guessing_stopped", &[]);
const PASSWORD_CHANGED: TemplateKind = kind("password_changed", NOT_ME);
const SESSION_STOLEN: TemplateKind = kind("session_stolen", NOT_ME);
const IDENTIFIER_CODE: TemplateKind = kind("identifier_code", CODE);
const NEW_DEVICE: TemplateKind = kind("new_device", NOT_ME);
const CREDENTIAL_ADDED: TemplateKind = kind("credential_added", ABOUT_CREDENTIALS);
const CREDENTIAL_REMOVED: TemplateKind = kind("credential_removed", ABOUT_CREDENTIALS);
const RECOVERY_CODE_USED: TemplateKind = kind("recovery_code_used", NOT_ME);
const RECOVERY_CODES_LOW: TemplateKind = kind("recovery_codes_low", NOT_ME);
const IDENTIFIER_CHANGED: TemplateKind = kind("identifier_changed", &["link", "link_hours"]);
const IDENTIFIER_RESTORED: TemplateKind = kind("identifier_restored", &[]);
const ACCOUNT_SECURED: TemplateKind = kind("account_secured", &[]);
const FACTOR_RESET_ANNOUNCED: TemplateKind =
    kind("factor_reset_announced", &["hours", "link", "link_days"]);
const FACTORS_RESET: TemplateKind = kind("factors_reset", NOT_ME);
const PASSKEY_COPY_SUSPECTED: TemplateKind = kind("passkey_copy_suspected", &[]);
const SECOND_FACTOR_REFUSED: TemplateKind = kind("second_factor_refused", NOT_ME);
const AUTHENTICATOR_CLOSED: TemplateKind = kind("authenticator_closed", NOT_ME);

/// Several notices of one kind in one letter. Its variables are the kind of notice, how many acts, since when, the
/// times of the first ones, how many are not listed, and the time of the last one.
const NOTICES_GATHERED: TemplateKind = kind(
    "notices_gathered",
    &[
        "notice",
        "what",
        "provider",
        "count",
        "since",
        "times",
        "more",
        "last",
        "link",
        "link_days",
    ],
);

/// All kinds of letters.
pub(super) const KINDS: [&TemplateKind; 24] = [
    &REGISTRATION,
    &SIGN_IN,
    &SECOND_FACTOR,
    &RESET,
    &ALREADY_REGISTERED,
    &SIGN_IN_LOCKED,
    &GUESSING_STOPPED,
    &PASSWORD_CHANGED,
    &SESSION_STOLEN,
    &IDENTIFIER_CODE,
    &NEW_DEVICE,
    &CREDENTIAL_ADDED,
    &CREDENTIAL_REMOVED,
    &RECOVERY_CODE_USED,
    &RECOVERY_CODES_LOW,
    &IDENTIFIER_CHANGED,
    &IDENTIFIER_RESTORED,
    &ACCOUNT_SECURED,
    &FACTOR_RESET_ANNOUNCED,
    &FACTORS_RESET,
    &PASSKEY_COPY_SUSPECTED,
    &SECOND_FACTOR_REFUSED,
    &AUTHENTICATOR_CLOSED,
    &NOTICES_GATHERED,
];

const fn kind(name: &'static str, variables: &'static [&'static str]) -> TemplateKind {
    TemplateKind { name, variables }
}

/// The form that a template writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A mail in plain text: the subject, an empty line, the text.
    Mail,
    /// The same mail in HTML.
    Html,
    /// A text message.
    Sms,
}

impl Part {
    pub(super) const ALL: [Self; 3] = [Self::Mail, Self::Html, Self::Sms];

    const fn ending(self) -> &'static str {
        match self {
            Self::Mail => ".txt",
            Self::Html => ".html",
            Self::Sms => ".sms.txt",
        }
    }
}

impl TemplateKind {
    /// The kind of a letter, gathered or not.
    pub(super) const fn of(letter: &Letter) -> &'static Self {
        if letter.gathered.is_some() {
            &NOTICES_GATHERED
        } else {
            Self::of_one(&letter.kind)
        }
    }

    /// The kind of a letter about a single event.
    pub(super) const fn of_one(letter: &LetterKind) -> &'static Self {
        match letter {
            LetterKind::Code { purpose, .. } => match purpose {
                Purpose::Registration => &REGISTRATION,
                Purpose::SignIn => &SIGN_IN,
                Purpose::PasswordReset => &RESET,
                Purpose::SecondFactor => &SECOND_FACTOR,
                Purpose::IdentifierChange => &IDENTIFIER_CODE,
            },
            LetterKind::AlreadyRegistered => &ALREADY_REGISTERED,
            LetterKind::SignInLocked { .. } => &SIGN_IN_LOCKED,
            LetterKind::GuessingStopped => &GUESSING_STOPPED,
            LetterKind::PasswordChanged => &PASSWORD_CHANGED,
            LetterKind::SessionStolen => &SESSION_STOLEN,
            LetterKind::NewDevice => &NEW_DEVICE,
            LetterKind::CredentialAdded(_) => &CREDENTIAL_ADDED,
            LetterKind::CredentialRemoved(_) => &CREDENTIAL_REMOVED,
            LetterKind::RecoveryCodeUsed => &RECOVERY_CODE_USED,
            LetterKind::RecoveryCodesLow => &RECOVERY_CODES_LOW,
            LetterKind::IdentifierChanged => &IDENTIFIER_CHANGED,
            LetterKind::IdentifierRestored => &IDENTIFIER_RESTORED,
            LetterKind::AccountSecured => &ACCOUNT_SECURED,
            LetterKind::FactorResetAnnounced { .. } => &FACTOR_RESET_ANNOUNCED,
            LetterKind::FactorsReset => &FACTORS_RESET,
            LetterKind::PasskeyCopySuspected => &PASSKEY_COPY_SUSPECTED,
            LetterKind::SecondFactorRefused => &SECOND_FACTOR_REFUSED,
            LetterKind::AuthenticatorClosed => &AUTHENTICATOR_CLOSED,
        }
    }

    pub(super) fn file(&self, part: Part) -> String {
        format!("{}{}", self.name, part.ending())
    }

    pub(super) fn may_speak_of(&self, variable: &str) -> bool {
        self.variables.contains(&variable) || COMMON.contains(&variable)
    }
}

/// The names of all files that a language must have.
pub(super) fn files() -> impl Iterator<Item = String> {
    let letters = KINDS
        .into_iter()
        .flat_map(|kind| Part::ALL.map(|part| kind.file(part)));
    letters.chain([LAYOUT.to_owned()])
}

/// The kind that a file belongs to; `None` for the [`LAYOUT`], which may only use [`COMMON`] variables.
pub(super) fn kind_of_file(file: &str) -> Option<&'static TemplateKind> {
    let is_its_file = |kind: &&TemplateKind| Part::ALL.iter().any(|part| kind.file(*part) == file);
    KINDS.into_iter().find(is_its_file)
}

/// Whether a template of this kind (`None`: the layout) may use `variable`.
pub(super) fn is_known(kind: Option<&TemplateKind>, variable: &str) -> bool {
    kind.map_or(COMMON.contains(&variable), |kind| {
        kind.may_speak_of(variable)
    })
}
