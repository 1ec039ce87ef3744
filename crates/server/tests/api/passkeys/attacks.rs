//! What an attacker would answer. None of it signs in, and each try uses its challenge up.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::authenticator::{Conduct, SoftPasskey};

use super::setup::{Asked, honest};
use crate::{app::TestApp, person::Person};

/// Somebody with a passkey, before whom an attacker stands.
struct Victim {
    app: TestApp,
    person: Person,
    passkey: SoftPasskey,
    sessions: i64,
}

impl Victim {
    async fn on(engine: testkit::Engine) -> Self {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        app.confirm_with(&mut person, &passkey, &honest()).await;
        let sessions = app.count("sessions").await;
        Self {
            app,
            person,
            passkey,
            sessions,
        }
    }

    /// Refused, for this reason by the trail; and the challenge is used up, also for the honest device.
    async fn assert_refused(&self, asked: &Asked, credential: &Value, reason: &str) {
        let before = self.app.audit_outcomes("session.sign_in").await;
        let refused = self
            .app
            .answer_with_passkey(&asked.challenge, credential)
            .await;
        refused.assert_problem(401, "invalid_code");
        let outcomes = self.app.audit_outcomes("session.sign_in").await;
        let times = |outcomes: &[String]| outcomes.iter().filter(|it| *it == reason).count();
        assert_eq!(outcomes.len(), before.len() + 1);
        assert_eq!(
            times(&outcomes),
            times(&before) + 1,
            "{reason}: {outcomes:?}"
        );
        let honest = self.passkey.sign(&asked.options, &honest());
        let late = self
            .app
            .answer_with_passkey(&asked.challenge, &honest)
            .await;
        late.assert_problem(401, "invalid_code");
        assert_eq!(self.app.count("sessions").await, self.sessions);
    }

    async fn assert_conduct_refused(&self, conduct: &Conduct, reason: &str) {
        let asked = self.app.ask_for_passkey().await;
        let credential = self.passkey.sign(&asked.options, conduct);
        self.assert_refused(&asked, &credential, reason).await;
    }

    /// The honest answer, with a member of its response changed.
    async fn assert_tampered_refused(
        &self,
        member: &str,
        change: impl FnOnce(&mut Vec<u8>),
        reason: &str,
    ) {
        let asked = self.app.ask_for_passkey().await;
        let mut credential = self.passkey.sign(&asked.options, &honest());
        let text = credential["response"][member].as_str().unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
        change(&mut bytes);
        credential["response"][member] = URL_SAFE_NO_PAD.encode(bytes).into();
        self.assert_refused(&asked, &credential, reason).await;
    }
}

testkit::on_every_engine! {
    /// T24.
    async fn an_answer_counts_once(engine: Engine) {
        let Victim { app, passkey, .. } = Victim::on(engine).await;
        let asked = app.ask_for_passkey().await;
        let credential = passkey.sign(&asked.options, &honest());
        app.answer_with_passkey(&asked.challenge, &credential).await.assert_status(200);
        for wait in [0, 5 * 60] {
            app.advance_seconds(wait);
            let again = app.answer_with_passkey(&asked.challenge, &credential).await;
            again.assert_problem(401, "invalid_code");
        }
    }

    /// T24.
    async fn a_failed_try_uses_its_challenge_up(engine: Engine) {
        let victim = Victim::on(engine).await;
        let unverified = Conduct { user_verified: false, ..honest() };
        victim.assert_conduct_refused(&unverified, "user_not_verified").await;
    }

    /// T25.
    async fn an_answer_to_another_challenge_does_not_count(engine: Engine) {
        let victim = Victim::on(engine).await;
        let Victim { app, person, passkey, .. } = &victim;
        // That of somebody else who signs in at the same time.
        let theirs = app.ask_for_passkey().await;
        let asked = app.ask_for_passkey().await;
        let credential = passkey.sign(&theirs.options, &honest());
        victim.assert_refused(&asked, &credential, "wrong_challenge").await;
        // That of an enrolment.
        let enrolment = app.ask_to_enrol(&person.tokens.access).await;
        let challenge = enrolment.data()["public_key"]["challenge"].as_str().unwrap().to_owned();
        let conduct = Conduct { challenge: Some(challenge), ..honest() };
        victim.assert_conduct_refused(&conduct, "wrong_challenge").await;
        // One that was never issued, and the right one spelt otherwise.
        let spellings: [fn(&str) -> String; 3] = [|_| "A".repeat(43), |it| format!("{it}="), |it| format!("{it} ")];
        for spell in spellings {
            let asked = app.ask_for_passkey().await;
            let spelling = spell(asked.options["challenge"].as_str().unwrap());
            let conduct = Conduct { challenge: Some(spelling), ..honest() };
            let credential = passkey.sign(&asked.options, &conduct);
            victim.assert_refused(&asked, &credential, "wrong_challenge").await;
        }
        // A challenge id that nobody got.
        let asked = app.ask_for_passkey().await;
        let credential = passkey.sign(&asked.options, &honest());
        let unknown = app.answer_with_passkey("5f0c1e9a7b3d4f2688aa01c2d3e4f506", &credential).await;
        unknown.assert_problem(401, "invalid_code");
        app.answer_with_passkey(&asked.challenge, &credential).await.assert_status(200);
    }

    /// T25.
    async fn a_challenge_is_over_after_five_minutes(engine: Engine) {
        let Victim { app, passkey, .. } = Victim::on(engine).await;
        let asked = app.ask_for_passkey().await;
        let credential = passkey.sign(&asked.options, &honest());
        let in_time = app.ask_for_passkey().await;
        app.advance_seconds(5 * 60 - 1);
        let answer = passkey.sign(&in_time.options, &honest());
        app.answer_with_passkey(&in_time.challenge, &answer).await.assert_status(200);
        app.advance_seconds(1);
        let late = app.answer_with_passkey(&asked.challenge, &credential).await;
        late.assert_problem(401, "invalid_code");
    }

    /// T25: what one challenge is for, another is not.
    async fn an_answer_to_an_enrolment_signs_nobody_in(engine: Engine) {
        let victim = Victim::on(engine).await;
        let Victim { app, person, passkey, .. } = &victim;
        let asked = app.ask_for_passkey().await;
        let (_, created) = SoftPasskey::create(
            &json!({
                "challenge": asked.options["challenge"], "rp": {"id": "auth.example.com"},
                "user": {"id": URL_SAFE_NO_PAD.encode(passkey.user_handle())},
            }),
            &honest(),
        );
        // Not even of the form.
        let refused = app.answer_with_passkey(&asked.challenge, &created).await;
        assert!([400, 422].contains(&refused.status.as_u16()), "{refused:?}");
        // And an assertion adds no passkey.
        let enrolment = app.ask_to_enrol(&person.tokens.access).await;
        let options = enrolment.data()["public_key"].clone();
        let assertion = passkey.sign(&options, &honest());
        let refused = app.bring_passkey(&person.tokens.access, &assertion).await;
        assert!([400, 422].contains(&refused.status.as_u16()), "{refused:?}");
    }

    /// T26.
    async fn a_page_that_is_not_ours_gets_nobody_in(engine: Engine) {
        let victim = Victim::on(engine).await;
        for origin in [
            "https://evil.example",
            "http://auth.example.com",
            "https://auth.example.com:8443",
            "https://www.auth.example.com",
            "https://example.com",
            "https://auth.example.com.evil",
            "https://auth.example.com@evil.example",
            "https://AUTH.example.com.",
            "null",
            "",
            "file:///auth.example.com",
            "android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            victim.assert_conduct_refused(&Conduct::at(origin), "wrong_origin").await;
        }
    }

    /// T26.
    async fn a_passkey_of_another_site_gets_nobody_in(engine: Engine) {
        let victim = Victim::on(engine).await;
        for rp_id in ["evil.example", "example.com", "www.auth.example.com"] {
            let conduct = Conduct { rp_id: Some(rp_id.to_owned()), ..honest() };
            victim.assert_conduct_refused(&conduct, "wrong_relying_party").await;
        }
    }

    /// T26: our page inside somebody else's.
    async fn a_framed_page_gets_nobody_in(engine: Engine) {
        let victim = Victim::on(engine).await;
        let framed = Conduct { cross_origin: Some(true), ..honest() };
        victim.assert_conduct_refused(&framed, "cross_origin").await;
        let top = Conduct { top_origin: Some("https://evil.example".to_owned()), ..honest() };
        victim.assert_conduct_refused(&top, "cross_origin").await;
        // Old browsers do not say.
        let silent = Conduct { cross_origin: None, ..honest() };
        victim.app.sign_in_with(&victim.passkey, &silent).await.assert_status(200);
    }

    /// T27.
    async fn a_device_that_did_not_verify_its_user_gets_nobody_in(engine: Engine) {
        let victim = Victim::on(engine).await;
        for (present, verified) in [(false, false), (true, false), (false, true)] {
            let conduct = Conduct { user_present: present, user_verified: verified, ..honest() };
            victim.assert_conduct_refused(&conduct, "user_not_verified").await;
        }
    }

    /// T29.
    async fn an_answer_of_another_type_gets_nobody_in(engine: Engine) {
        let victim = Victim::on(engine).await;
        for kind in ["webauthn.create", "payment.get", "", "webauthn.GET"] {
            let conduct = Conduct { kind: Some(kind.to_owned()), ..honest() };
            victim.assert_conduct_refused(&conduct, "wrong_type").await;
        }
    }

    /// T29.
    async fn a_forged_signature_gets_nobody_in(engine: Engine) {
        let victim = Victim::on(engine).await;
        let Victim { app, person, passkey, .. } = &victim;
        // The wrong key, under the id and the handle of the right one.
        let enrolment = app.ask_to_enrol(&person.tokens.access).await;
        let options = enrolment.data()["public_key"].clone();
        let (forger, _) = SoftPasskey::create_with_id(&options, &honest(), passkey.id().to_vec());
        let asked = app.ask_for_passkey().await;
        let credential = forger.sign(&asked.options, &honest());
        victim.assert_refused(&asked, &credential, "bad_signature").await;
        // The right signature, over something else or not to the byte.
        let flipped = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
        victim.assert_tampered_refused("signature", flipped, "bad_signature").await;
        victim.assert_tampered_refused("signature", |bytes| bytes.push(0), "bad_signature").await;
        victim.assert_tampered_refused("signature", |bytes| bytes.truncate(1), "bad_signature").await;
        victim.assert_tampered_refused("authenticatorData", flipped, "bad_signature").await;
        victim.assert_tampered_refused("clientDataJSON", |bytes| bytes.push(b' '), "bad_signature").await;
    }

    /// T29.
    async fn data_that_goes_on_after_its_end_gets_nobody_in(engine: Engine) {
        let victim = Victim::on(engine).await;
        let leftover = Conduct { leftover: vec![0xa0], ..honest() };
        victim.assert_conduct_refused(&leftover, "malformed_answer").await;
        for (member, junk) in [
            ("clientDataJSON", b"{".to_vec()),
            ("clientDataJSON", b"[]".to_vec()),
            ("clientDataJSON", vec![0xff, 0xfe]),
            ("authenticatorData", vec![0; 36]),
            ("authenticatorData", vec![1]),
        ] {
            let change = |bytes: &mut Vec<u8>| *bytes = junk;
            victim.assert_tampered_refused(member, change, "malformed_answer").await;
        }
    }

    async fn a_device_has_to_say_whose_passkey_it_is(engine: Engine) {
        let victim = Victim::on(engine).await;
        let Victim { app, passkey, .. } = &victim;
        let silent = Conduct { tells_user: false, ..honest() };
        victim.assert_conduct_refused(&silent, "foreign_user_handle").await;
        let other = app.register_person().await;
        let theirs = app.enrol_passkey(&other).await;
        let handle = passkey.user_handle().to_vec();
        let asked = app.ask_for_passkey().await;
        let credential = theirs.claiming(handle).sign(&asked.options, &honest());
        let refused = app.answer_with_passkey(&asked.challenge, &credential).await;
        refused.assert_problem(401, "invalid_code");
    }
}
