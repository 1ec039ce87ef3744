//! The templates inside the binary.

macro_rules! built_in {
    ($language:literal, $file:literal) => {
        (
            $language,
            $file,
            include_str!(concat!("../../templates/", $language, "/", $file)),
        )
    };
}

/// Language, file, source.
pub(super) const BUILT_IN: &[(&str, &str, &str)] = &[
    built_in!("en", "already_registered.html"),
    built_in!("en", "already_registered.sms.txt"),
    built_in!("en", "already_registered.txt"),
    built_in!("en", "layout.html"),
    built_in!("en", "password_changed.html"),
    built_in!("en", "password_changed.sms.txt"),
    built_in!("en", "password_changed.txt"),
    built_in!("en", "registration_code.html"),
    built_in!("en", "registration_code.sms.txt"),
    built_in!("en", "registration_code.txt"),
    built_in!("en", "reset_code.html"),
    built_in!("en", "reset_code.sms.txt"),
    built_in!("en", "reset_code.txt"),
    built_in!("en", "session_stolen.html"),
    built_in!("en", "session_stolen.sms.txt"),
    built_in!("en", "session_stolen.txt"),
    built_in!("en", "sign_in_code.html"),
    built_in!("en", "sign_in_code.sms.txt"),
    built_in!("en", "sign_in_code.txt"),
    built_in!("en", "sign_in_locked.html"),
    built_in!("en", "sign_in_locked.sms.txt"),
    built_in!("en", "sign_in_locked.txt"),
    built_in!("fr", "already_registered.html"),
    built_in!("fr", "already_registered.sms.txt"),
    built_in!("fr", "already_registered.txt"),
    built_in!("fr", "layout.html"),
    built_in!("fr", "password_changed.html"),
    built_in!("fr", "password_changed.sms.txt"),
    built_in!("fr", "password_changed.txt"),
    built_in!("fr", "registration_code.html"),
    built_in!("fr", "registration_code.sms.txt"),
    built_in!("fr", "registration_code.txt"),
    built_in!("fr", "reset_code.html"),
    built_in!("fr", "reset_code.sms.txt"),
    built_in!("fr", "reset_code.txt"),
    built_in!("fr", "session_stolen.html"),
    built_in!("fr", "session_stolen.sms.txt"),
    built_in!("fr", "session_stolen.txt"),
    built_in!("fr", "sign_in_code.html"),
    built_in!("fr", "sign_in_code.sms.txt"),
    built_in!("fr", "sign_in_code.txt"),
    built_in!("fr", "sign_in_locked.html"),
    built_in!("fr", "sign_in_locked.sms.txt"),
    built_in!("fr", "sign_in_locked.txt"),
];
