//! One's own devices.

use serde_json::Value;

use crate::{
    app::TestApp,
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

const DEVICES: &str = "/api/v1/me/devices";

fn id_in(device_token: &str) -> String {
    let simple = device_token.split('.').nth(1).expect("an id");
    simple.replace('-', "")
}

impl TestApp {
    async fn devices_of(&self, access: &str) -> Vec<Value> {
        let answer = self.get_as(access, DEVICES).await;
        answer.assert_status(200);
        answer.data()["items"].as_array().expect("items").clone()
    }
}

testkit::on_every_engine! {
    async fn ones_own_devices_are_listed_and_forgotten(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (person, stranger) = (app.register_person().await, app.register_person().await);
        let access = &person.tokens.access;
        app.advance_seconds(1);
        let second = app.log_in(&person.identifier, PASSWORD).await;
        let devices = app.devices_of(access).await;
        assert_eq!(devices.len(), 2, "{devices:?}");
        let ids: Vec<String> = devices
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids[0].replace('-', ""), id_in(&second.text_of("/device_token")), "used last");
        assert_eq!(ids[1].replace('-', ""), id_in(&person.device_token));
        let current: Vec<bool> = devices.iter().map(|it| it["current"].as_bool().unwrap()).collect();
        assert_eq!(current, [false, true]);
        assert!(devices[1]["created_at"].as_str() < devices[0]["last_used_at"].as_str());

        // Somebody else's is like none.
        let path = |id: &str| format!("{DEVICES}/{id}");
        let foreign = app.delete_as(&stranger.tokens.access, &path(&ids[0])).await;
        foreign.assert_problem(404, "not_found");
        for none in ["019a2b3c-4d5e-7f80-91a2-b3c4d5e6f708", "me", "1"] {
            app.delete_as(access, &path(none)).await.assert_problem(404, "not_found");
        }
        app.delete_as(access, &path(&ids[0])).await.assert_status(200);
        app.delete_as(access, &path(&ids[0])).await.assert_problem(404, "not_found");
        assert_eq!(app.devices_of(access).await.len(), 1);
        assert_eq!(app.audit_outcomes("device.forgotten").await, ["success"]);
        // Its session goes on.
        app.me(&Tokens::of(&second).access).await.assert_status(200);
        for answer in [app.get(DEVICES).await, app.get_as("x", DEVICES).await] {
            assert_eq!(answer.status, 401);
        }
    }

    async fn a_forgotten_device_is_counted_with_strangers(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        for _ in 0..5 {
            app.log_in(&person.identifier, OTHER_PASSWORD).await;
        }
        let from_device = || app.log_in_from(&person.device_token, &person.identifier, PASSWORD);
        from_device().await.assert_status(200);
        let id = app.devices_of(access).await[0]["id"].as_str().unwrap().to_owned();
        app.delete_as(access, &format!("{DEVICES}/{id}")).await.assert_status(200);
        from_device().await.assert_problem(429, "account_locked");
    }
}
