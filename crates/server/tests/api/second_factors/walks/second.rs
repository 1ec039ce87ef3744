//! Steps that prove a second factor.

use serde_json::json;
use testkit::authenticator::Conduct;
use time::Duration;

use super::{AtMost, Step, Walk};
use crate::{app::wrong_code, passkeys::honest};

impl Walk<'_> {
    /// Proves something to a sign-in that waits, or waited.
    pub(super) async fn take_second(&mut self, step: Step) {
        let Some(newest) = self.waiting.len().checked_sub(1) else {
            return;
        };
        let app = &self.bed.app;
        // The newest one is alive most often.
        let places: Vec<usize> = (0..=newest).chain([newest; 6]).collect();
        let place = *self.random.pick(&places);
        let waiting = self.waiting[place].clone();
        let challenge = &waiting.challenge;
        let remember = self.flip();
        let verify = async |method: &str, code: &str| {
            let remember = json!({"remember_device": remember});
            app.second_step_with(challenge, method, code, remember)
                .await
        };
        let (answer, right) = match step {
            Step::Totp { right } => {
                let code = self.owner.it.code(app);
                let typed = if right {
                    code.clone()
                } else {
                    wrong_code(&code)
                };
                let is_new = self.last_code.as_ref() != Some(&code);
                let answer = verify("totp", &typed).await;
                if answer.status == 200 {
                    self.last_code = Some(code);
                }
                (answer, right && is_new)
            }
            Step::RecoveryCode { right } => {
                let codes = &self.owner.it.recovery_codes;
                let Some(next) = codes.get(self.used_recovery_codes) else {
                    return;
                };
                let used = self
                    .used_recovery_codes
                    .checked_sub(1)
                    .map(|last| &codes[last]);
                let typed = if right { Some(next) } else { used };
                let Some(typed) = typed else { return };
                let answer = verify("recovery_code", typed).await;
                if answer.status == 200 {
                    self.used_recovery_codes += 1;
                }
                (answer, right)
            }
            Step::MailedCode { right } => {
                let before = self.codes_so_far().await;
                let asked = app
                    .post("/api/v1/auth/mfa/otp", &json!({"challenge_id": challenge}))
                    .await;
                let may_be_sent = !waiting.by_mail && !self.is_staff;
                assert!(
                    may_be_sent || !asked.status.is_success(),
                    "{asked:?}: {:#?}",
                    self.taken
                );
                let Some(code) = self.code_after(&asked, before).await else {
                    return;
                };
                let typed = if right { code } else { wrong_code(&code) };
                (verify("otp", &typed).await, right && may_be_sent)
            }
            Step::SecondPasskey { verified } => {
                let options = app.second_passkey_options(challenge).await;
                if options.status != 200 {
                    return;
                }
                let conduct = Conduct {
                    user_verified: verified,
                    ..honest()
                };
                let credential = self
                    .owner
                    .passkey
                    .sign(&options.data()["public_key"], &conduct);
                (
                    app.answer_with_second_passkey(challenge, &credential).await,
                    verified,
                )
            }
            other => unreachable!("{other:?} is no second factor"),
        };
        let now = self.now();
        let is_live = !waiting.completed
            && now < waiting.since + Duration::minutes(10)
            && waiting.changes == self.changes;
        let most = if right && is_live {
            AtMost::Tokens {
                first: waiting.since,
            }
        } else {
            AtMost::Nothing
        };
        self.judge(step, &answer, most);
        if answer.status == 200 {
            self.waiting[place].completed = true;
            let has_device = !matches!(step, Step::SecondPasskey { .. });
            if remember && has_device {
                let device = answer.text_of("/device_token");
                self.remembered.push((device, now + Duration::days(30)));
            }
        }
    }
}
