//! Somebody else's authenticator app agrees with us.

use std::process::Command;

use adapters_crypto::AuthenticatorCodes;
use authentication_app::ports::TotpCodes as _;
use authentication_domain::mfa::{TotpSecret, TotpStep};
use common::random::bytes;
use secrecy::{ExposeSecret as _, zeroize::Zeroizing};
use testkit::SeededRandom;
use time::OffsetDateTime;

/// 200 years from the epoch, some of them beyond 32 bits.
const SPAN: u64 = 200 * 365 * 86_400;

#[test]
fn oathtool_agrees_over_a_thousand_secrets_and_times() {
    let random = SeededRandom::new(6238);
    let codes = AuthenticatorCodes::new("Fashionistar");
    let program = testkit::servers::oathtool();
    for _ in 0..1_000 {
        let secret = TotpSecret(Zeroizing::new(bytes(&random)));
        let seconds = i64::try_from(u64::from_be_bytes(bytes(&random)) % SPAN).unwrap();
        let shown = codes.enrolment(&secret, "ada@example.com").unwrap();
        let output = Command::new(&program)
            .args(["--totp", "--base32", "--now", &format!("@{seconds}")])
            .arg(shown.secret.expose_secret())
            .output()
            .unwrap();
        let code = String::from_utf8(output.stdout).unwrap();
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let step = codes.matching_step(&secret, code.trim(), at);
        assert_eq!(step, Some(TotpStep(seconds / 30)), "at {seconds}: {code}");
    }
}
