//! What people notice of a change of keys: nothing.

use std::fs;

use authentication_app::ports::KeySection;
use serde_json::json;

use crate::{
    answer::Answer,
    app::{TestApp, wrong_code},
    person::{OTHER_PASSWORD, PASSWORD, Person, Tokens},
};

/// What a person holds from before a change of keys.
struct Holdings {
    person: Person,
    /// A second session, to be refreshed now and then.
    refresh: String,
    /// A registration that waits for its code.
    pending: String,
    pending_challenge: String,
    code: String,
    /// A request that was answered.
    request_key: String,
    answered: Answer,
}

impl TestApp {
    async fn holdings(&self) -> Holdings {
        self.holdings_with_codes_at(self).await
    }

    /// The same, with the codes read where they are sent from.
    async fn holdings_with_codes_at(&self, post: &Self) -> Holdings {
        let email = self.fresh_email();
        let challenge = self.ask_to_register(&email, PASSWORD).await;
        challenge.assert_status(202);
        let code = post.code_sent_to(&email).await;
        let challenge = challenge.text_of("/challenge_id");
        let proven = self.verify(&challenge, &code).await;
        proven.assert_status(201);
        let person = Person::signed_in(&email, PASSWORD, &proven);
        let session = self.log_in(&person.identifier, PASSWORD).await;
        let pending = self.fresh_email();
        let challenge = self.ask_to_register(&pending, PASSWORD).await;
        challenge.assert_status(202);
        let code = post.code_sent_to(&pending).await;
        let request_key = format!("key-{}", self.next_number());
        let repeated = self.fresh_email();
        let answered = self.repeat(&request_key, &repeated).await;
        answered.assert_status(202);
        Holdings {
            refresh: Tokens::of(&session).refresh,
            person,
            pending,
            pending_challenge: challenge.text_of("/challenge_id"),
            code,
            request_key: format!("{request_key} {repeated}"),
            answered,
        }
    }

    /// The same registration under one idempotency key.
    async fn repeat(&self, key: &str, email: &str) -> Answer {
        let body = json!({"email": email, "password": PASSWORD});
        let request = self.request("POST", "/api/v1/auth/register").json(&body);
        self.send(request.header("Idempotency-Key", key)).await
    }

    /// Everything from before still counts; uses up nothing but generations.
    async fn assert_all_counts(&self, held: &mut Holdings) {
        let person = &held.person;
        self.me(&person.tokens.access).await.assert_status(200);
        let refreshed = self.refresh(&held.refresh).await;
        refreshed.assert_status(200);
        held.refresh = Tokens::of(&refreshed).refresh;
        let back = self
            .log_in_from(&person.device_token, &person.identifier, PASSWORD)
            .await;
        back.assert_status(200);
        let device = |token: &str| token.split('.').nth(1).map(str::to_owned);
        assert_eq!(
            device(&back.text_of("/device_token")),
            device(&person.device_token),
            "the device is known"
        );
        let (key, email) = held.request_key.split_once(' ').unwrap();
        let again = self.repeat(key, email).await;
        again.assert_status(202);
        assert_eq!(again.json(), held.answered.json());
    }

    async fn complete(&self, held: &Holdings) {
        let proven = self.verify(&held.pending_challenge, &held.code).await;
        proven.assert_status(201);
        let back = self.log_in(&held.pending, PASSWORD).await;
        back.assert_status(200);
    }
}

testkit::on_every_engine! {
    async fn whatever_a_person_holds_outlives_a_new_key_of_every_section(engine: Engine) {
        let app = TestApp::start_watchful(engine).await;
        let mut held = app.holdings().await;
        for section in KeySection::ALL {
            app.add_next(section).await;
            app.assert_all_counts(&mut held).await;
            app.promote(section).await;
            app.assert_all_counts(&mut held).await;
        }
        app.complete(&held).await;
        // And what is made now counts as well.
        let mut fresh = app.holdings().await;
        app.assert_all_counts(&mut fresh).await;
        app.complete(&fresh).await;
    }

    /// One node has taken the promotion up, the other has not: each takes what the other makes.
    async fn nodes_may_take_a_change_up_at_different_moments(engine: Engine) {
        let ahead = TestApp::start_watchful(engine).await;
        for section in KeySection::ALL {
            ahead.add_next(section).await;
        }
        let behind = ahead
            .another_node_with(|config| {
                config.keys.reload_every = std::time::Duration::from_hours(1);
                // One node sends, so that all codes are in one mailbox.
                config.messages.sender = Some(server::config::SenderChoice::Nobody);
            })
            .await;
        for section in KeySection::ALL {
            ahead.promote(section).await;
        }
        for (one, other) in [(&ahead, &behind), (&behind, &ahead)] {
            let mut held = one.holdings_with_codes_at(&ahead).await;
            other.assert_all_counts(&mut held).await;
            one.assert_all_counts(&mut held).await;
            other.complete(&held).await;
        }
        assert_ne!(
            ahead.current_key(KeySection::Signing),
            behind.current_key(KeySection::Signing)
        );
    }

    async fn a_new_index_key_gives_nobody_fresh_tries(engine: Engine) {
        let app = TestApp::start_watchful(engine).await;
        let person = app.register_person().await;
        let stranger = app.fresh_email();
        app.add_next(KeySection::BlindIndex).await;
        // Two of five.
        for identifier in [&person.identifier, &stranger] {
            for _ in 0..2 {
                app.log_in(identifier, OTHER_PASSWORD).await.assert_status(401);
            }
        }
        app.promote(KeySection::BlindIndex).await;
        for identifier in [&person.identifier, &stranger] {
            for _ in 0..3 {
                app.log_in(identifier, OTHER_PASSWORD).await.assert_status(401);
            }
            app.log_in(identifier, OTHER_PASSWORD).await.assert_problem(429, "account_locked");
        }
        // Once nothing of before matters, the new key counts.
        app.advance_seconds(25 * 3_600);
        for identifier in [&person.identifier, &stranger] {
            for _ in 0..5 {
                app.log_in(identifier, OTHER_PASSWORD).await.assert_status(401);
            }
            app.log_in(identifier, OTHER_PASSWORD).await.assert_problem(429, "account_locked");
        }
    }

    async fn a_new_index_key_leaves_one_code_and_one_cool_down(engine: Engine) {
        let app = TestApp::start_watchful(engine).await;
        let person = app.register_person().await;
        let body = json!({"identifier": person.identifier});
        let ask = async || {
            let answer = app.post("/api/v1/auth/login/otp", &body).await;
            answer.assert_status(202);
            answer.text_of("/challenge_id")
        };
        let before = ask().await;
        let code = app.nth_code_sent_to(&person.identifier, 2).await;
        app.verify(&before, &wrong_code(&code)).await.assert_status(401);
        app.add_next(KeySection::BlindIndex).await;
        app.promote(KeySection::BlindIndex).await;
        app.add_next(KeySection::Codes).await;
        app.promote(KeySection::Codes).await;
        let after = ask().await;
        app.settle_messages().await;
        assert_eq!(app.mailbox(&person.identifier).await.len(), 2, "no second code");
        app.verify(&after, &code).await.assert_status(200);
        app.verify(&before, &code).await.assert_status(401);
        // The next one is made under the new key.
        app.advance_seconds(61);
        let next = ask().await;
        let code = app.nth_code_sent_to(&person.identifier, 3).await;
        app.verify(&next, &code).await.assert_status(200);
    }

    async fn a_ring_that_cannot_be_used_is_refused_and_nobody_notices(engine: Engine) {
        let app = TestApp::start_watchful(engine).await;
        let person = app.register_person().await;
        let file = app.ring_file();
        let good = fs::read(&file).unwrap();
        let before = app.keys();
        let other = adapters_crypto::KeyRing::generate(
            &adapters_crypto::SystemRandom,
            testkit::clock::START,
        );
        let other = secrecy::ExposeSecret::expose_secret(&other.to_json()).to_owned();
        for bad in [&b"{"[..], b"", &good[..good.len() / 2], other.as_bytes()] {
            let refused = app.refused_rings();
            fs::write(&file, bad).unwrap();
            app.until("the ring is refused", async || app.refused_rings() > refused).await;
            assert_eq!(app.keys(), before);
            app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
            app.me(&person.tokens.access).await.assert_status(200);
        }
        fs::write(&file, &good).unwrap();
        let next = app.add_next(KeySection::Signing).await;
        assert!(app.keys().iter().any(|key| key.id == next));
    }

    async fn a_retired_master_key_leaves_nothing_behind(engine: Engine) {
        let app = TestApp::start_watchful(engine).await;
        let mut held = app.holdings().await;
        let mut people = Vec::new();
        for _ in 0..3 {
            people.push(app.register_person().await);
        }
        app.log_in("nobody@example.com", PASSWORD).await.assert_status(401);
        let mut retired = Vec::new();
        for section in [KeySection::FieldEncryption, KeySection::BlindIndex] {
            app.add_next(section).await;
            if section == KeySection::BlindIndex {
                app.until_all_rows(&app.next_key(section)).await;
            }
            retired.push(app.promote(section).await);
        }
        app.until_none_under(&retired[0]).await;
        app.assert_all_counts(&mut held).await;
        // Longer than any cache holds a data key in its old wrapping.
        app.advance_seconds(121);
        app.retire(KeySection::FieldEncryption, &retired[0]).await;
        app.retire(KeySection::BlindIndex, &retired[1]).await;
        app.until_no_rows_under(&retired[1]).await;
        for id in &retired {
            assert_eq!(app.places_of(id).await, Vec::<String>::new(), "{id} is named nowhere");
        }
        for person in &people {
            app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
            let again = app.ask_to_register(&person.identifier, PASSWORD).await;
            again.assert_status(202);
        }
        let back = app.log_in(&held.person.identifier, PASSWORD).await;
        back.assert_status(200);
        app.complete(&held).await;
    }
}
