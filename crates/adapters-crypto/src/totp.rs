//! Codes of authenticator apps: RFC 6238 by totp-rs, with the parameters that all apps support.

use std::fmt;

use authentication_app::ports::{TotpCodes, TotpEnrolment};
use authentication_domain::{
    challenges::OneTimeCode,
    mfa::{TotpRules, TotpSecret, TotpStep},
};
use qrcode::{EcLevel, QrCode, render::svg};
use secrecy::SecretString;
use time::OffsetDateTime;
use totp_rs::{Builder, Secret, Totp, TotpError};

/// Minimum width of the QR code, in SVG units.
const QR_WIDTH: u32 = 240;

/// SHA-1, six digits, thirty seconds.
pub struct AuthenticatorCodes {
    /// The name that the app displays with the account.
    issuer: String,
}

impl AuthenticatorCodes {
    /// `issuer` is the name by which people know the service. Colons are removed, because one would end the
    /// issuer in the URI.
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.replace(':', ""),
        }
    }

    fn totp(&self, secret: &TotpSecret, label: &str) -> Result<Totp, TotpError> {
        Builder::new()
            .with_secret(Secret::new(Box::new(*secret.0)))
            .with_issuer(Some(self.issuer.as_str()))
            .with_account_name(label.replace(':', "."))
            .build()
    }
}

impl fmt::Debug for AuthenticatorCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthenticatorCodes")
    }
}

impl TotpCodes for AuthenticatorCodes {
    /// Compares the code with every accepted step, also after a match, so that the time does not depend on
    /// it.
    fn matching_step(
        &self,
        secret: &TotpSecret,
        typed: &str,
        now: OffsetDateTime,
    ) -> Option<TotpStep> {
        let typed = OneTimeCode::parse(typed)?;
        let totp = self.totp(secret, "").ok()?;
        let mut found = None;
        for step in TotpRules::steps_at(now) {
            let begins = step.0.checked_mul(TotpRules::STEP.whole_seconds());
            let Some(begins) = begins.and_then(|it| u64::try_from(it).ok()) else {
                continue;
            };
            let code = OneTimeCode::parse(&totp.generate(begins).to_string());
            if code.is_some_and(|code| code.matches(&typed)) {
                found = Some(step);
            }
        }
        found
    }

    fn enrolment(&self, secret: &TotpSecret, label: &str) -> Option<TotpEnrolment> {
        let totp = self.totp(secret, label).ok()?;
        let uri = totp.to_url().ok()?;
        let code = QrCode::with_error_correction_level(&uri, EcLevel::M).ok()?;
        let drawn = code
            .render::<svg::Color<'_>>()
            .min_dimensions(QR_WIDTH, QR_WIDTH)
            .build();
        Some(TotpEnrolment {
            secret: SecretString::from(totp.secret().to_base32()),
            otpauth_uri: uri.into(),
            qr_svg: drawn.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;
    use zeroize::Zeroizing;

    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn codes() -> AuthenticatorCodes {
        AuthenticatorCodes::new("Fashionistar: test")
    }

    /// RFC 6238, appendix B, with SHA-1: the last six of the eight digits.
    #[test]
    fn the_vectors_of_the_rfc_hold() {
        let secret = TotpSecret(Zeroizing::new(*b"12345678901234567890"));
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = codes().matching_step(&secret, code, at(seconds));
            assert_eq!(step, Some(TotpStep(seconds / 30)), "{seconds}");
        }
    }

    #[test]
    fn a_code_counts_one_step_either_side_and_no_further() {
        let secret = TotpSecret(Zeroizing::new(*b"12345678901234567890"));
        let step = TotpStep(1_234_567_890 / 30);
        for (seconds, expected) in [
            (-60, None),
            (-30, Some(step)),
            (0, Some(step)),
            (30, Some(step)),
            (60, None),
        ] {
            let found = codes().matching_step(&secret, "005 924", at(1_234_567_890 + seconds));
            assert_eq!(found, expected, "{seconds}");
        }
        for junk in ["", "5924", "00592a", "+05924", "0059240"] {
            let found = codes().matching_step(&secret, junk, at(1_234_567_890));
            assert_eq!(found, None, "{junk}");
        }
    }

    #[test]
    fn an_app_is_told_who_where_and_the_secret() {
        let secret = TotpSecret(Zeroizing::new(*b"12345678901234567890"));
        let shown = codes().enrolment(&secret, "ada:l@example.com").unwrap();
        assert_eq!(
            shown.otpauth_uri.expose_secret(),
            "otpauth://totp/Fashionistar%20test:ada.l%40example.com\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Fashionistar%20test"
        );
        assert_eq!(
            shown.secret.expose_secret(),
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        );
        let drawn = shown.qr_svg.expose_secret();
        assert!(
            drawn.contains("<svg") && drawn.ends_with("</svg>"),
            "{drawn}"
        );
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_makes_it_fall_over(
            secret: [u8; 20], typed in "\\PC{0,20}", seconds in 0i64..20_000_000_000,
        ) {
            let secret = TotpSecret(Zeroizing::new(secret));
            let _ = codes().matching_step(&secret, &typed, at(seconds));
        }

        #[test]
        fn every_address_can_be_shown(secret: [u8; 20], label in "[!-~]{1,254}") {
            let secret = TotpSecret(Zeroizing::new(secret));
            prop_assert!(codes().enrolment(&secret, &label).is_some());
        }
    }
}
