//! ID tokens that open nothing: T30, T31 and T32 as a client sees them, and accounts that are closed.

use serde_json::{Value, json};
use testkit::{
    race,
    servers::{OpenIdDouble, OpenIdMood, maced, unsigned},
};

use super::{Bed, OPTIONS, SIGN_IN};

impl Bed {
    /// Refused, and nothing is there that was not before.
    async fn assert_refused(&self, token: &str, what: &str) {
        let before = (
            self.app.count("accounts").await,
            self.app.count("sessions").await,
        );
        let answer = self.app.post(SIGN_IN, &json!({"id_token": token})).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        answer.assert_problem(401, "invalid_credentials");
        let after = (
            self.app.count("accounts").await,
            self.app.count("sessions").await,
        );
        assert_eq!(before, after, "{what}");
        assert_eq!(
            self.app.count("federated_identities").await,
            self.app.count("accounts").await
        );
    }
}

testkit::on_every_engine! {
    /// T30: one thing is wrong with each.
    async fn t30_a_token_with_one_thing_wrong_opens_nothing(engine: Engine) {
        let bed = Bed::start(engine).await;
        let good = bed.claims("1", "ada@example.com").await;
        let now = good["iat"].as_i64().unwrap();
        let issuer = bed.double.issuer();
        for (claim, value) in [
            ("aud", json!("other")), ("aud", json!(["site", "other"])), ("aud", json!(["site", "app"])),
            ("azp", json!("other")), ("iss", json!("https://accounts.google.com.evil")),
            ("iss", json!(format!("{issuer}/"))), ("iss", json!("https://accounts.google.com")),
            ("exp", json!(now - 61)), ("iat", json!(now + 61)), ("sub", json!("")),
        ] {
            let mut claims = good.clone();
            claims[claim] = value.clone();
            bed.assert_refused(&bed.double.token(&claims), &format!("{claim} {value}")).await;
        }
        let forger = OpenIdDouble::start();
        bed.assert_refused(&forger.token(&good), "another key").await;
        bed.assert_refused(&unsigned(&json!({"alg": "none"}), &good, b""), "alg none").await;
        let key = bed.double.public_key().to_string();
        bed.assert_refused(&maced(&json!({"alg": "HS256"}), &good, key.as_bytes()), "HS256").await;
        bed.assert_refused("nonsense", "nonsense").await;
        // Each is on record, with its reason and nobody's name.
        let mut reasons = bed.app.audit_outcomes("session.sign_in").await;
        reasons.sort();
        reasons.dedup();
        assert_eq!(reasons, ["audience", "issuer", "signature", "time", "unreadable"]);
        assert_eq!(bed.app.count("audit_entries").await, 14);
        // None of them used the nonce up.
        bed.enter_with(&good).await.assert_status(201);
    }

    /// T31: a nonce is ours, counts once, and for ten minutes.
    async fn t31_a_nonce_is_ours_and_counts_once(engine: Engine) {
        let bed = Bed::start(engine).await;
        let good = bed.claims("1", "ada@example.com").await;
        for nonce in [json!(null), json!(""), json!("0".repeat(32)), json!("not ours"), json!("n".repeat(500))] {
            let mut claims = good.clone();
            claims["nonce"] = nonce.clone();
            bed.assert_refused(&bed.double.token(&claims), &nonce.to_string()).await;
        }
        bed.enter_with(&good).await.assert_status(201);
        bed.assert_refused(&bed.double.token(&good), "used").await;
        let on_record = bed.app.audit_outcomes("session.sign_in").await;
        assert_eq!(on_record.iter().filter(|it| *it == "unknown_nonce").count(), 6);
        let old = bed.nonce().await;
        bed.app.advance_seconds(600);
        let late = bed.claims_with(&old, "1", "ada@example.com");
        bed.assert_refused(&bed.double.token(&late), "too old").await;
        let in_time = bed.nonce().await;
        bed.app.advance_seconds(599);
        bed.enter_with(&bed.claims_with(&in_time, "1", "ada@example.com")).await.assert_status(200);
    }

    /// T31: a nonce that one browser was given is worth nothing in another that says who it is.
    async fn t31_a_nonce_of_another_browser_counts_not(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let (ada, eve) = (app.register_person().await, app.register_person().await);
        let asked = app.request("POST", OPTIONS).header("X-Device-Token", &ada.device_token);
        let nonce = app.send(asked).await.text_of("/nonce");
        let id_token = bed.double.token(&bed.claims_with(&nonce, "1", "new@example.com"));
        let enter = |device: Option<&str>| {
            let request = app.request("POST", SIGN_IN).json(&json!({ "id_token": id_token }));
            app.send(match device {
                Some(token) => request.header("X-Device-Token", token),
                None => request,
            })
        };
        enter(None).await.assert_problem(401, "invalid_credentials");
        enter(Some(&eve.device_token)).await.assert_problem(401, "invalid_credentials");
        enter(Some(&ada.device_token)).await.assert_status(201);
    }

    async fn fifty_uses_at_once_of_one_token_have_one_success(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        bed.newcomer("1", "ada@example.com").await;
        let id_token = bed.double.token(&bed.claims("1", "ada@example.com").await);
        let statuses = race::fifty_at_once(|_| {
            let (app, body) = (app.clone(), json!({ "id_token": id_token }));
            async move { app.post(SIGN_IN, &body).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 401)), "{statuses:?}");
        assert_eq!(app.count("sessions").await, 2);
    }

    /// T32: an address that is not verified neither opens an account nor makes one.
    async fn t32_an_address_counts_only_when_it_is_verified(engine: Engine) {
        let bed = Bed::start(engine).await;
        let person = bed.app.register_person().await;
        for email in [person.identifier.as_str(), "nobody@example.com"] {
            for (claim, value) in [
                ("email_verified", json!(false)), ("email_verified", json!("false")), ("email_verified", json!(1)),
                ("email_verified", Value::Null), ("email", Value::Null), ("email", json!("")), ("email", json!("ada")),
            ] {
                let mut claims = bed.claims("1", email).await;
                if value.is_null() {
                    claims.as_object_mut().unwrap().remove(claim);
                } else {
                    claims[claim] = value.clone();
                }
                let answer = bed.enter_with(&claims).await;
                answer.assert_problem(401, "invalid_credentials");
            }
        }
        assert_eq!((bed.app.count("accounts").await, bed.app.count("federated_identities").await), (1, 0));
    }

    /// T32: an organisation is known by the claim, and never by the address.
    async fn t32_an_organisation_is_known_by_its_claim(engine: Engine) {
        let bed = Bed::start_for(engine, &["fashionistar.com"]).await;
        for domain in [None, Some("evil.com"), Some("fashionistar.com.evil")] {
            let mut claims = bed.claims("1", "ada@fashionistar.com").await;
            if let Some(domain) = domain {
                claims["hd"] = domain.into();
            }
            bed.enter_with(&claims).await.assert_problem(401, "invalid_credentials");
        }
        assert_eq!(bed.app.count("accounts").await, 0);
        let mut claims = bed.claims("1", "ada@fashionistar.com").await;
        claims["hd"] = "fashionistar.com".into();
        bed.enter_with(&claims).await.assert_status(201);
    }

    async fn a_closed_account_gives_no_token(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let first = bed.enter("1", "ada@example.com").await;
        let account = first.text_of("/user/id");
        let sessions = app.count("sessions").await;
        for (status, refused, code) in [
            ("suspended", 403, "account_suspended"), ("deleted", 401, "invalid_credentials"), ("pending", 401, "invalid_credentials"),
        ] {
            app.set_account_status(&account, status).await;
            let claims = bed.claims("1", "ada@example.com").await;
            bed.enter_with(&claims).await.assert_problem(refused, code);
            bed.enter_with(&claims).await.assert_problem(401, "invalid_credentials");
            // Nor does the address of a closed account make another.
            bed.enter("2", "ada@example.com").await.assert_problem(409, "account_exists_link_required");
        }
        assert_eq!((app.count("sessions").await, app.count("accounts").await), (sessions, 1));
    }

    /// ASVS V6.3.3: Google is one factor. A code goes to the mailbox only where Google's word is about another one.
    async fn whoever_has_a_second_factor_is_asked_for_it_after_google(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let it = app.secured_person().await;
        bed.link(&it.person.tokens.access, "1", "other@example.com").await.assert_status(200);
        for (email, methods) in [
            (it.person.identifier.as_str(), json!(["totp", "recovery_code"])),
            ("other@example.com", json!(["totp", "otp", "recovery_code"])),
        ] {
            let asked = bed.enter("1", email).await;
            asked.assert_status(200);
            assert_eq!((&asked.data()["status"], &asked.data()["methods"]), (&json!("mfa_required"), &methods));
            assert!(asked.data().get("tokens").is_none(), "{asked:?}");
            app.advance_seconds(60);
            let answer = app.second_step(&asked.text_of("/challenge_id"), "totp", &it.code(app)).await;
            answer.assert_status(200);
            assert_eq!(answer.text_of("/user/id"), it.person.id);
        }
    }

    async fn a_provider_that_is_away_is_503_and_nothing_is_half_done(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let claims = bed.claims("1", "ada@example.com").await;
        bed.double.be(OpenIdMood::Overloaded);
        let answer = bed.enter_with(&claims).await;
        answer.assert_problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert_eq!((app.count("accounts").await, app.count("audit_entries").await), (0, 0));
        // The same token is good once it is back: its nonce was not used up.
        bed.double.be(OpenIdMood::Well);
        bed.enter_with(&claims).await.assert_status(201);
        // And what is known of it goes on without it.
        bed.double.be(OpenIdMood::Gone);
        bed.enter("1", "ada@example.com").await.assert_status(200);
    }

    async fn signing_in_costs_one_read_and_one_transaction(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let first = bed.enter("1", "ada@example.com").await;
        let device = first.text_of("/device_token");
        let claims = bed.claims("1", "ada@example.com").await;
        let body = json!({"id_token": bed.double.token(&claims)});
        app.advance_seconds(1);
        let _quiet = app.quiet().await;
        let before = app.counters().statements;
        let request = app.request("POST", SIGN_IN).header("X-Device-Token", &device).json(&body);
        app.send(request).await.assert_status(200);
        // One read; nonce, and what a session costs: device, session, audit entry, event.
        let password = crate::budgets::SIGN_IN_TRANSACTION;
        let expected = 1 + password + crate::budgets::ONCE;
        assert_eq!(app.counters().statements - before, expected, "as with a password");
    }
}
