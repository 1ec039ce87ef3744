//! Steps that prove something in a session that goes on, beside an oracle that knows which factors are recent.

use serde_json::{Value, json};
use testkit::authenticator::Conduct;
use time::{Duration, OffsetDateTime};

use super::Walk;
use crate::{
    app::wrong_code, passkeys::honest, person::Tokens, second_factors::sign_in::claims_of,
};

/// A proof that `POST /auth/reauthenticate` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Password,
    Totp,
    RecoveryCode,
    Passkey,
}

/// When each factor of the newest session was proven last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proven {
    pub(super) first: OffsetDateTime,
    pub(super) second: Option<OffsetDateTime>,
    /// The second one was a code by mail, which makes no sign-in recent.
    pub(super) is_mailed: bool,
}

impl Proven {
    /// What is too old for what needs a recent sign-in. Everybody here has every second factor.
    fn missing(self, now: OffsetDateTime) -> (bool, bool) {
        let is_old = |at: OffsetDateTime| now - at > Duration::minutes(10);
        (
            is_old(self.first),
            self.is_mailed || self.second.is_none_or(is_old),
        )
    }
}

impl Walk<'_> {
    /// The body of a proof, and whether it is right.
    async fn proof(&self, again: Again, right: bool) -> Option<(Value, bool)> {
        let app = &self.bed.app;
        Some(match again {
            Again::Password => {
                let typed = if right {
                    self.password
                } else {
                    "quite-Another-99-guess"
                };
                (json!({"password": typed}), right)
            }
            Again::Totp => {
                let code = self.owner.it.code(app);
                let is_new = self.last_code.as_ref() != Some(&code);
                let typed = if right { code } else { wrong_code(&code) };
                (json!({"method": "totp", "code": typed}), right && is_new)
            }
            Again::RecoveryCode => {
                let codes = &self.owner.it.recovery_codes;
                let used = self.used_recovery_codes.checked_sub(1);
                let place = if right {
                    Some(self.used_recovery_codes)
                } else {
                    used
                };
                let typed = codes.get(place?)?;
                (json!({"method": "recovery_code", "code": typed}), right)
            }
            Again::Passkey => {
                let asked = app.ask_for_passkey().await;
                let conduct = Conduct {
                    user_verified: right,
                    ..honest()
                };
                let credential = self.owner.passkey.sign(&asked.options, &conduct);
                let body = json!({"challenge_id": asked.challenge, "credential": credential});
                (body, right)
            }
        })
    }

    /// Proves something in the newest session.
    pub(super) async fn take_again(&mut self, again: Again, right: bool) {
        let Some((body, right)) = self.proof(again, right).await else {
            return;
        };
        let app = &self.bed.app;
        let answer = app.reauthenticate(&self.newest.access, &body).await;
        let now = self.now();
        self.taken.push(format!(
            "{again:?} again, right {right}: {} {now}",
            answer.status
        ));
        let walk = &self.taken;
        if answer.status == 200 {
            assert!(right, "{walk:#?}");
            let before = self.newest.clone();
            self.newest = Tokens::of(&answer);
            app.me(&before.access)
                .await
                .assert_problem(401, "invalid_token");
            app.refresh(&before.refresh)
                .await
                .assert_problem(401, "invalid_refresh_token");
            if matches!(again, Again::Password | Again::Passkey) {
                self.proven.first = now;
            }
            if again != Again::Password {
                self.proven.second = Some(now);
                self.proven.is_mailed = false;
            }
            match again {
                Again::Totp => self.last_code = Some(self.owner.it.code(app)),
                Again::RecoveryCode => self.used_recovery_codes += 1,
                Again::Password | Again::Passkey => {}
            }
        }
        self.look_at_the_newest().await;
    }

    /// What the tokens say, and what they open: no more than the oracle knows.
    async fn look_at_the_newest(&mut self) {
        let app = &self.bed.app;
        let Proven { first, second, .. } = self.proven;
        let claims = claims_of(&self.newest);
        let walk = &self.taken;
        let acr = if second.is_some() { "2" } else { "1" };
        assert_eq!(claims["acr"], acr, "{walk:#?}");
        let since = second.map_or(first, |second| second.min(first));
        assert_eq!(claims["auth_time"], since.unix_timestamp(), "{walk:#?}");
        let roles = claims["roles"].as_array().unwrap();
        let is_staff = roles.contains(&json!("support"));
        assert_eq!(is_staff, self.is_staff && acr == "2", "{claims}: {walk:#?}");
        let answer = app.ask_to_enrol(&self.newest.access).await;
        if answer.status == 401 {
            return;
        }
        let (misses_first, misses_second) = self.proven.missing(self.now());
        if misses_first || misses_second {
            answer.assert_problem(403, "reauthentication_required");
            let answer = answer.json();
            let methods = answer["methods"].as_array().unwrap();
            assert_eq!(
                methods.contains(&json!("password")),
                misses_first,
                "{walk:#?}"
            );
            assert_eq!(methods.contains(&json!("totp")), misses_second, "{walk:#?}");
            assert!(methods.contains(&json!("webauthn")), "{walk:#?}");
            self.too_old += 1;
        } else {
            assert_eq!(answer.status, 200, "{answer:?}: {walk:#?}");
            self.recent += 1;
        }
    }
}
