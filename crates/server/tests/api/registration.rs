//! Registering: by email, by phone, and what must not happen on the way.

use serde_json::json;
use testkit::race;

use crate::{
    app::{TestApp, wrong_code},
    person::{OTHER_PASSWORD, PASSWORD, Person},
};

testkit::on_every_engine! {
    async fn a_person_registers_by_email_and_is_signed_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let body = json!({
            "email": "Ada@Example.com", "password": PASSWORD, "role": "vendor",
            "display_name": "Ada", "country": "ng",
        });
        let challenge = app.post("/api/v1/auth/register", &body).await;
        challenge.assert_status(202);
        let data = challenge.data();
        assert_eq!(data["channel"], "email");
        assert_eq!(data["sent_to"], "A***@e***.com");
        assert_eq!((&data["expires_in"], &data["resend_in"]), (&json!(600), &json!(60)));

        let code = app.code_sent_to("Ada@example.com").await;
        let proof = json!({"challenge_id": data["challenge_id"], "code": code});
        let answer = app.post("/api/v1/auth/verify-otp", &proof).await;
        answer.assert_status(201);
        assert_eq!(answer.json()["message"], "Registration complete");
        let data = answer.data();
        assert_eq!(data["status"], "authenticated");
        let user = &data["user"];
        assert_eq!(user["email"], "Ada@example.com");
        assert!(user.get("phone").is_none(), "{user}");
        assert_eq!(user["auth_method"], "email");
        assert_eq!(user["status"], "active");
        assert_eq!(user["roles"], json!(["vendor"]));
        assert_eq!(user["display_name"], "Ada");
        assert_eq!(user["profile"]["country"], "NG");
        assert_eq!(user["wallet"], json!({"balance_minor": 0, "currency": "NGN"}));
        assert_eq!(user["mfa"], json!({"enabled": false, "methods": []}));

        let person = Person::signed_in("ada@example.com", PASSWORD, &answer);
        let me = app.me(&person.tokens.access).await;
        assert_eq!(&me.data()["id"], &user["id"]);
        // Another spelling of the same address is the same person.
        app.log_in("ADA@EXAMPLE.COM", PASSWORD).await.assert_status(200);
    }

    async fn a_person_registers_by_phone(engine: Engine) {
        let app = TestApp::start(engine).await;
        let challenge = app.ask_to_register("+234 801 234 5678", PASSWORD).await;
        challenge.assert_status(202);
        assert_eq!(challenge.data()["channel"], "sms");
        let code = app.code_sent_to("+2348012345678").await;
        let proof = json!({"challenge_id": challenge.text_of("/challenge_id"), "code": code});
        let answer = app.post("/api/v1/auth/verify-otp", &proof).await;
        answer.assert_status(201);
        assert_eq!(answer.data()["user"]["phone"], "+2348012345678");
        assert!(answer.data()["user"].get("email").is_none());
        app.log_in("+2348012345678", PASSWORD).await.assert_status(200);
    }

    /// A trunk zero after the calling code, and the number as it is dialled in its country.
    async fn two_spellings_of_a_number_are_one_account(engine: Engine) {
        let app = TestApp::start(engine).await;
        let body = json!({"phone": "0801 234 5678", "country": "NG", "password": PASSWORD});
        let challenge = app.post("/api/v1/auth/register", &body).await;
        challenge.assert_status(202);
        let code = app.code_sent_to("+2348012345678").await;
        let proof = json!({"challenge_id": challenge.text_of("/challenge_id"), "code": code});
        app.post("/api/v1/auth/verify-otp", &proof).await.assert_status(201);
        for written in [
            json!({"identifier": "+234 0801 234 5678"}),
            json!({"identifier": "0801-234-5678", "country": "ng"}),
            json!({"phone": "+234 (0)801 234 5678"}),
            json!({"phone": "(0801) 234/5678", "country": "NG"}),
        ] {
            let mut body = written;
            body["password"] = json!(PASSWORD);
            app.post("/api/v1/auth/login", &body).await.assert_status(200);
        }
        for bad in [
            json!({"phone": "0801 234 5678"}),
            json!({"phone": "+234 801 234 567"}),
            json!({"phone": "0801 234 5678", "country": "ZZ"}),
        ] {
            app.post("/api/v1/auth/login/otp", &bad).await.assert_problem(422, "validation_failed");
        }
        // Somebody else cannot take it in another spelling; their own country is enough to read it.
        let other = app.register_person().await;
        let access = &other.tokens.access;
        app.patch_as(access, "/api/v1/me", &json!({"country": "NG"})).await.assert_status(200);
        let body = json!({"phone": "0801 234 5678"});
        app.post_as(access, "/api/v1/me/identifier", &body).await.assert_status(202);
        app.until("its owner is told", async || {
            let messages = app.mailbox("+2348012345678").await;
            messages.iter().any(|it| it.to_string().contains("already has an account"))
        })
        .await;
    }

    async fn exactly_one_identifier_is_taken(engine: Engine) {
        let app = TestApp::start(engine).await;
        for body in [
            json!({"password": PASSWORD}),
            json!({"email": "a@example.com", "phone": "+2348012345678", "password": PASSWORD}),
        ] {
            app.post("/api/v1/auth/register", &body).await.assert_problem(422, "validation_failed");
        }
        assert_eq!(app.count("challenges").await, 0);
    }

    async fn nobody_makes_themselves_staff(engine: Engine) {
        let app = TestApp::start(engine).await;
        for role in ["admin", "support", "root", ""] {
            let body = json!({"email": "a@example.com", "password": PASSWORD, "role": role});
            app.post("/api/v1/auth/register", &body).await.assert_status(422);
        }
        assert_eq!(app.count("challenges").await, 0);
        assert!(app.mailbox("a@example.com").await.is_empty());
    }

    async fn weak_passwords_are_refused_with_the_reason(engine: Engine) {
        let app = TestApp::start(engine).await;
        let long = "a".repeat(257);
        for (password, code) in [
            ("short1!", "password_too_short"),
            ("password123", "password_common"),
            ("abcabcabcabc", "password_guessable"),
            ("ada.lovelace77", "password_derived_from_identifier"),
            ("4d4.l0v3l4c3!", "password_derived_from_identifier"),
            ("Fashionistar2026", "password_derived_from_context"),
            ("f4shi0nistar!", "password_derived_from_context"),
            ("Admin@2026", "password_derived_from_context"),
            (long.as_str(), "too_long"),
        ] {
            let hashes = app.counters().hashes;
            let answer = app.ask_to_register("ada.lovelace@example.com", password).await;
            answer.assert_status(422);
            let errors = answer.json()["errors"].clone();
            assert_eq!((&errors[0]["field"], &errors[0]["code"]), (&json!("password"), &json!(code)), "{answer:?}");
            assert_eq!(app.counters().hashes, hashes, "refused without a hash");
        }
        assert_eq!(app.count("challenges").await, 0);
    }

    async fn a_wrong_code_makes_no_account_and_the_fifth_ends_the_challenge(engine: Engine) {
        let app = TestApp::start(engine).await;
        let email = app.fresh_email();
        let challenge = app.ask_to_register(&email, PASSWORD).await.text_of("/challenge_id");
        let code = app.code_sent_to(&email).await;
        let wrong = wrong_code(&code);
        for _ in 0..5 {
            app.verify(&challenge, &wrong).await.assert_problem(401, "invalid_code");
        }
        app.verify(&challenge, &code).await.assert_problem(429, "too_many_attempts");
        assert_eq!(app.count("accounts").await, 0);
    }

    async fn a_code_counts_for_ten_minutes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let email = app.fresh_email();
        let challenge = app.ask_to_register(&email, PASSWORD).await.text_of("/challenge_id");
        let code = app.code_sent_to(&email).await;
        app.advance_seconds(600);
        app.verify(&challenge, &code).await.assert_problem(401, "invalid_code");
        assert_eq!(app.count("accounts").await, 0);
    }

    async fn a_new_code_kills_the_old_one_and_buys_no_tries(engine: Engine) {
        let app = TestApp::start(engine).await;
        let email = app.fresh_email();
        let challenge = app.ask_to_register(&email, PASSWORD).await.text_of("/challenge_id");
        let first = app.code_sent_to(&email).await;
        app.verify(&challenge, &wrong_code(&first)).await.assert_problem(401, "invalid_code");

        let resend = json!({"challenge_id": challenge});
        app.post("/api/v1/auth/resend-otp", &resend).await.assert_status(202);
        assert_eq!(app.mailbox(&email).await.len(), 1, "within the cool-down nothing is sent");
        app.advance_seconds(60);
        let again = app.post("/api/v1/auth/resend-otp", &resend).await;
        again.assert_status(202);
        assert_eq!(again.text_of("/challenge_id"), challenge);
        let second = app.nth_code_sent_to(&email, 2).await;
        if second != first {
            app.verify(&challenge, &first).await.assert_problem(401, "invalid_code");
        }
        for _ in 0..3 {
            app.verify(&challenge, &wrong_code(&second)).await;
        }
        app.verify(&challenge, &second).await.assert_problem(429, "too_many_attempts");
    }

    async fn a_taken_address_goes_the_same_way_and_its_owner_gets_a_notice(engine: Engine) {
        let app = TestApp::start(engine).await;
        let owner = app.register_person().await;
        app.advance_seconds(61);
        let challenge = app.ask_to_register(&owner.identifier, OTHER_PASSWORD).await;
        challenge.assert_status(202);
        let messages = app.messages_to(&owner.identifier, 2).await;
        assert!(messages[0]["code"].is_null(), "{messages:?}");
        assert!(messages[0]["subject"].as_str().unwrap().contains("already have"), "{messages:?}");
        app.log_in(&owner.identifier, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
        app.log_in(&owner.identifier, PASSWORD).await.assert_status(200);
    }

    async fn whoever_squats_on_an_address_gets_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let email = app.fresh_email();
        let squatter = app.ask_to_register(&email, OTHER_PASSWORD).await.text_of("/challenge_id");
        let owner = app.ask_to_register(&email, PASSWORD).await.text_of("/challenge_id");
        let code = app.code_sent_to(&email).await;
        app.verify(&owner, &code).await.assert_status(201);
        app.verify(&squatter, &code).await.assert_problem(401, "invalid_code");
        app.log_in(&email, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
        app.log_in(&email, PASSWORD).await.assert_status(200);
    }

    async fn fifty_registrations_at_one_moment_make_one_account_and_one_message(engine: Engine) {
        let app = TestApp::start(engine).await;
        let answers = race::fifty_at_once(|number| {
            let app = app.clone();
            async move {
                let email = if number % 2 == 0 { "Rival@example.com" } else { "rival@EXAMPLE.com" };
                app.ask_to_register(email, PASSWORD).await
            }
        })
        .await;
        let code = app.code_sent_to("rival@example.com").await;
        let keys = |answer: &crate::answer::Answer| {
            let data = answer.data();
            data.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        for answer in &answers {
            answer.assert_status(202);
            assert_eq!(keys(answer), keys(&answers[0]));
        }
        let challenges: Vec<String> = answers.iter().map(|it| it.text_of("/challenge_id")).collect();
        let proofs = race::fifty_at_once(|number| {
            let (app, challenge, code) = (app.clone(), challenges[number].clone(), code.clone());
            async move { app.verify(&challenge, &code).await.status.as_u16() }
        })
        .await;
        assert_eq!(proofs.iter().filter(|status| **status == 201).count(), 1, "{proofs:?}");
        assert_eq!(app.count("accounts").await, 1);
        app.settle_messages().await;
        assert_eq!(app.mailbox("rival@example.com").await.len(), 1);
        app.log_in("rival@example.com", PASSWORD).await.assert_status(200);
    }

    async fn fifty_uses_at_once_of_one_code_have_one_success(engine: Engine) {
        let app = TestApp::start(engine).await;
        let email = app.fresh_email();
        let challenge = app.ask_to_register(&email, PASSWORD).await.text_of("/challenge_id");
        let code = app.code_sent_to(&email).await;
        let statuses = race::fifty_at_once(|_| {
            let (app, challenge, code) = (app.clone(), challenge.clone(), code.clone());
            async move { app.verify(&challenge, &code).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 201 | 401)), "{statuses:?}");
        assert_eq!((app.count("accounts").await, app.count("sessions").await), (1, 1));
    }

    async fn a_repeated_request_is_answered_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let email = app.fresh_email();
        let body = json!({"email": email, "password": PASSWORD});
        let ask = |body: serde_json::Value, key: &'static str| {
            let request = app.request("POST", "/api/v1/auth/register").header("Idempotency-Key", key).json(&body);
            app.send(request)
        };
        let first = ask(body.clone(), "key-1").await;
        first.assert_status(202);
        let hashes = app.counters().hashes;
        let again = ask(body.clone(), "key-1").await;
        again.assert_status(202);
        assert_eq!(again.text_of("/challenge_id"), first.text_of("/challenge_id"));
        assert_eq!(app.counters().hashes, hashes, "a replay costs no hash");
        let other = json!({"email": email, "password": OTHER_PASSWORD});
        ask(other, "key-1").await.assert_problem(422, "idempotency_key_reused");
        let fresh = ask(body, "key-2").await;
        assert_ne!(fresh.text_of("/challenge_id"), first.text_of("/challenge_id"));
        assert_eq!(app.count("challenges").await, 2);
    }

    async fn twenty_repetitions_at_once_have_one_effect(engine: Engine) {
        let app = TestApp::start(engine).await;
        let email = app.fresh_email();
        let answers = race::at_once(20, |_| {
            let (app, body) = (app.clone(), json!({"email": email, "password": PASSWORD}));
            async move {
                let request = app.request("POST", "/api/v1/auth/register").header("Idempotency-Key", "same").json(&body);
                app.send(request).await
            }
        })
        .await;
        let mut challenges: Vec<String> = Vec::new();
        for answer in &answers {
            match answer.status.as_u16() {
                202 => challenges.push(answer.text_of("/challenge_id")),
                _ => { answer.assert_problem(409, "idempotency_in_progress"); }
            }
        }
        challenges.dedup();
        assert_eq!(challenges.len(), 1, "{answers:?}");
        assert_eq!(app.count("challenges").await, 1);
    }

    async fn a_recipient_gets_five_messages_an_hour_at_the_most(engine: Engine) {
        let app = TestApp::start(engine).await;
        let email = app.fresh_email();
        for count in 1..=5 {
            app.ask_to_register(&email, PASSWORD).await.assert_status(202);
            // Before the next code makes this one void.
            app.messages_to(&email, count).await;
            app.advance_seconds(61);
        }
        let refused = app.ask_to_register(&email, PASSWORD).await;
        refused.assert_problem(429, "rate_limited");
        let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3600).contains(&wait), "{wait}");
        assert_eq!(app.mailbox(&email).await.len(), 5);
        app.advance_seconds(i64::from(wait));
        app.ask_to_register(&email, PASSWORD).await.assert_status(202);
    }
}
