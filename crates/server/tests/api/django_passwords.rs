//! Passwords that Django hashed: they sign in, and are hashed anew the first time.

use testkit::{
    django::{HashOrder, hashes},
    race,
};

use crate::{
    app::TestApp,
    person::{OTHER_PASSWORD, PASSWORD},
};

impl TestApp {
    /// Gives somebody who has registered what an import would.
    async fn keep_instead(&self, hash: &str) {
        let sql = format!("UPDATE password_credentials SET password_hash = '{hash}'");
        self.database().execute(&sql).await;
    }

    async fn kept(&self) -> String {
        let rows = self
            .database()
            .rows("SELECT password_hash FROM password_credentials")
            .await;
        rows[0].try_get_by_index(0).expect("a text")
    }
}

testkit::on_every_engine! {
    async fn a_hash_of_every_hasher_signs_in_and_is_replaced(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let orders = HashOrder::HASHERS.map(|hasher| HashOrder::new(hasher, PASSWORD).cheap());
        for stored in hashes(&orders) {
            // The limit of attempts for one identifier is not the point.
            app.advance_seconds(61);
            app.keep_instead(&stored).await;
            app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
            assert_eq!(app.kept().await, stored, "a wrong password changes nothing");

            let answer = app.log_in(&person.identifier, PASSWORD).await;
            answer.assert_status(200);
            let ours = app.kept().await;
            assert!(ours.starts_with("$argon2id$v=19$"), "{stored}: {ours}");

            app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
            assert_eq!(app.kept().await, ours, "the second sign-in finds nothing to replace");
        }
    }

    async fn first_sign_ins_at_once_all_succeed_and_leave_one_hash(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let order = HashOrder::new("pbkdf2_sha256", PASSWORD).cheap();
        app.keep_instead(&hashes(&[order])[0]).await;
        let answers = race::at_once(8, |_| {
            let (app, identifier) = (app.clone(), person.identifier.clone());
            async move { app.log_in(&identifier, PASSWORD).await }
        })
        .await;
        for answer in answers {
            answer.assert_status(200);
        }
        assert!(app.kept().await.starts_with("$argon2id$v=19$"));
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
    }
}
