//! Who comes for the first time, and who was there before under the same address (T33, T36, T37).

use serde_json::json;
use testkit::race;

use super::{Bed, LINK, SIGN_IN};
use crate::{
    app::wrong_code,
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

testkit::on_every_engine! {
    async fn whoever_comes_first_gets_an_account_without_a_password(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let mut claims = bed.claims("1", "Ada@Example.com").await;
        claims["name"] = "Ada Lovelace".into();
        claims["given_name"] = "Ada".into();
        claims["locale"] = "en".into();
        let body = json!({"id_token": bed.double.token(&claims), "role": "vendor"});
        let answer = app.post(SIGN_IN, &body).await;
        answer.assert_status(201);
        assert_eq!(answer.json()["message"], "Registration complete");
        let data = answer.data();
        assert_eq!(data["status"], "authenticated");
        let user = &data["user"];
        assert_eq!((&user["auth_method"], &user["email"]), (&json!("google"), &json!("Ada@example.com")));
        assert!(user.get("phone").is_none(), "{user}");
        assert_eq!((&user["roles"], &user["status"]), (&json!(["vendor"]), &json!("active")));
        assert_eq!((&user["display_name"], &user["profile"]["first_name"]), (&json!("Ada Lovelace"), &json!("Ada")));
        let tokens = Tokens::of(&answer);
        assert_eq!(app.me(&tokens.access).await.data()["id"], user["id"]);
        assert_eq!(app.audit_outcomes("account.registered").await, ["success"]);
        assert_eq!(app.audit_outcomes("federation.linked").await, ["success"]);
        assert_eq!(app.audit_outcomes("session.sign_in").await, ["success"]);
        let events = app.event_types().await;
        assert_eq!(events, [
            "com.fashionistar.auth.account.registered.v1",
            "com.fashionistar.auth.federation.linked.v1",
            "com.fashionistar.auth.session.started.v1",
        ]);
        // No password opens it, and nobody was told to type a code.
        app.log_in("ada@example.com", PASSWORD).await.assert_problem(401, "invalid_credentials");
        assert!(app.mailbox("ada@example.com").await.is_empty());

        let again = bed.enter("1", "Ada@Example.com").await;
        again.assert_status(200);
        assert_eq!(again.json()["message"], "Login successful");
        assert_eq!(again.data()["user"]["id"], user["id"]);
        assert_eq!(app.count("accounts").await, 1);
    }

    async fn nobody_makes_themselves_staff_through_google(engine: Engine) {
        let bed = Bed::start(engine).await;
        let claims = bed.claims("1", "ada@example.com").await;
        for role in ["admin", "support", "root", ""] {
            let body = json!({"id_token": bed.double.token(&claims), "role": role});
            bed.app.post(SIGN_IN, &body).await.assert_problem(422, "validation_failed");
        }
        assert_eq!(bed.app.count("accounts").await, 0);
        // What was refused so used no nonce up.
        bed.enter_with(&claims).await.assert_status(201);
    }

    /// T33: the same address and another subject: nobody gets in, and nothing is linked.
    async fn t33_an_address_alone_opens_no_account_that_is_there(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let person = app.register_person().await;
        let sessions = app.count("sessions").await;
        let claims = bed.claims("1", &person.identifier).await;
        bed.enter_with(&claims).await.assert_problem(409, "account_exists_link_required");
        assert_eq!(app.count("federated_identities").await, 0);
        assert_eq!((app.count("sessions").await, app.count("accounts").await), (sessions, 1));
        assert!(app.audit_outcomes("session.sign_in").await.contains(&"account_exists".to_owned()));
        // The nonce was used up all the same.
        bed.enter_with(&claims).await.assert_problem(401, "invalid_credentials");
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
        // An account that came through Google is no different.
        bed.newcomer("2", "eve@example.com").await;
        bed.enter("3", "EVE@example.com").await.assert_problem(409, "account_exists_link_required");
        // Proof of both sides links.
        bed.link(&person.tokens.access, "1", &person.identifier).await.assert_status(200);
        let entered = bed.enter("1", &person.identifier).await;
        entered.assert_status(200);
        assert_eq!(entered.text_of("/user/id"), person.id);
        assert_eq!(entered.text_of("/user/auth_method"), "email");
    }

    /// T33: the same subject and another address: the same account, whose address stays as it was.
    async fn t33_a_person_whose_address_changed_is_the_same_person(engine: Engine) {
        let bed = Bed::start(engine).await;
        let first = bed.enter("1", "ada@example.com").await;
        first.assert_status(201);
        let victim = bed.app.register_person().await;
        for email in ["countess@example.com", &victim.identifier] {
            let again = bed.enter("1", email).await;
            again.assert_status(200);
            assert_eq!(again.text_of("/user/id"), first.text_of("/user/id"));
            assert_eq!(again.text_of("/user/email"), "ada@example.com");
        }
        assert_eq!(bed.app.count("accounts").await, 2);
    }

    /// T36: who registers with somebody's address before they come has nothing once they do.
    async fn t36_a_squatters_registration_dies_when_the_owner_comes_through_google(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let email = app.fresh_email();
        let squatted = app.ask_to_register(&email, OTHER_PASSWORD).await.text_of("/challenge_id");
        let code = app.code_sent_to(&email).await;
        bed.newcomer("1", &email).await;
        // Not even with the code, which went to the owner.
        app.verify(&squatted, &code).await.assert_problem(401, "invalid_code");
        app.verify(&squatted, &wrong_code(&code)).await.assert_problem(401, "invalid_code");
        app.log_in(&email, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
        let (accounts, passwords) = (app.count("accounts").await, app.count("password_credentials").await);
        assert_eq!((accounts, passwords, app.count("sessions").await), (1, 0, 1));
        // Asking for another code brings the owner a notice, and the squatter nothing.
        app.advance_seconds(61);
        app.post("/api/v1/auth/resend-otp", &json!({"challenge_id": squatted})).await.assert_status(202);
        let messages = app.messages_to(&email, 2).await;
        assert!(messages[0]["code"].is_null(), "{messages:?}");
        bed.enter("1", &email).await.assert_status(200);
    }

    /// T36: codes to sign in or to reset, asked for before there was an account, open none.
    async fn t36_codes_from_before_the_account_are_dead(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let email = app.fresh_email();
        for path in ["/api/v1/auth/login/otp", "/api/v1/auth/password/reset"] {
            app.post(path, &json!({"identifier": email})).await.assert_status(202);
        }
        bed.newcomer("1", &email).await;
        let rows = app.database().rows("SELECT count(*) AS n FROM code_dispatches WHERE used_at IS NULL").await;
        let alive: i64 = rows[0].try_get("", "n").unwrap();
        assert_eq!(alive, 0);
    }

    /// T37: an address that the provider did not verify is nobody's; its owner registers later as ever.
    async fn t37_an_address_that_was_not_verified_is_not_owned(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let email = app.fresh_email();
        for unverified in [json!(false), json!(null), json!("false")] {
            let mut claims = bed.claims("attacker", &email).await;
            claims["email_verified"] = unverified;
            bed.enter_with(&claims).await.assert_problem(401, "invalid_credentials");
        }
        assert_eq!((app.count("accounts").await, app.count("federated_identities").await), (0, 0));
        let owner = app.register_as(&email, PASSWORD).await;
        bed.enter("attacker", &email).await.assert_problem(409, "account_exists_link_required");
        assert_eq!(app.me(&owner.tokens.access).await.data()["auth_method"], "email");
    }

    async fn fifty_first_visits_at_once_make_one_account(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let mut tokens = Vec::new();
        for _ in 0..race::RIVALS {
            tokens.push(bed.double.token(&bed.claims("1", "rival@example.com").await));
        }
        let statuses = race::fifty_at_once(|number| {
            let (app, body) = (app.clone(), json!({"id_token": tokens[number]}));
            async move { app.post(SIGN_IN, &body).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 201 | 503)), "{statuses:?}");
        assert_eq!((app.count("accounts").await, app.count("federated_identities").await), (1, 1));
    }

    /// Whoever proves the code of a registration while the owner comes through Google: one account, and it is
    /// whole.
    async fn a_registration_and_a_first_visit_at_once_make_one_account(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        for round in 0..race::ROUNDS {
            let email = app.fresh_email();
            let challenge = app.ask_to_register(&email, PASSWORD).await.text_of("/challenge_id");
            let code = app.code_sent_to(&email).await;
            let id_token = bed.double.token(&bed.claims(&round.to_string(), &email).await);
            let statuses = race::at_once(2, |number| {
                let (app, challenge, code) = (app.clone(), challenge.clone(), code.clone());
                let body = json!({ "id_token": id_token });
                async move {
                    let answer = if number == 0 {
                        app.verify(&challenge, &code).await
                    } else {
                        app.post(SIGN_IN, &body).await
                    };
                    answer.status.as_u16()
                }
            })
            .await;
            assert!(matches!(statuses[..], [201, 409] | [401, 201]), "{statuses:?}");
            assert_eq!(app.count("accounts").await, i64::try_from(round).unwrap() + 1);
        }
    }

    async fn an_account_from_google_is_kept_in_no_clear_word(engine: Engine) {
        let bed = Bed::start(engine).await;
        bed.newcomer("canary-subject-7", "canary-address@example.com").await;
        let rows = bed.app.database().rows("SELECT digest, identity FROM federated_identities").await;
        for column in ["digest", "identity"] {
            let bytes: Vec<u8> = rows[0].try_get("", column).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("canary") && !text.contains("127.0.0.1"), "{column}");
        }
        bed.app.delete_as(&bed.newcomer("2", "b@example.com").await.access, LINK).await.assert_problem(409, "last_way_in");
    }
}
