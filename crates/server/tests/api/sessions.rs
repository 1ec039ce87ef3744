//! Staying signed in and signing out.

use serde_json::{Value, json};
use testkit::{Engine, race};

use crate::{
    app::TestApp,
    person::{PASSWORD, Tokens},
};

testkit::on_every_engine! {
    async fn a_refresh_gives_new_tokens_and_the_old_access_token_counts_on(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let answer = app.refresh(&person.tokens.refresh).await;
        answer.assert_status(200);
        let next = Tokens::of(&answer);
        assert_eq!(next.session, person.tokens.session);
        assert_ne!(next.refresh, person.tokens.refresh);
        app.me(&next.access).await.assert_status(200);
        app.me(&person.tokens.access).await.assert_status(200);
    }

    async fn fifty_refreshes_at_once_get_the_same_successor(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let mut current = person.tokens.refresh;
        for _ in 0..3 {
            let answers = race::fifty_at_once(|_| {
                let (app, token) = (app.clone(), current.clone());
                async move { app.refresh(&token).await }
            })
            .await;
            let mut successors: Vec<String> = answers.iter().map(|it| Tokens::of(it).refresh).collect();
            successors.dedup();
            assert_eq!(successors.len(), 1);
            current = successors.remove(0);
        }
    }

    async fn a_token_two_generations_old_is_theft(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let first = person.tokens.refresh.clone();
        let second = Tokens::of(&app.refresh(&first).await);
        let third = Tokens::of(&app.refresh(&second.refresh).await);
        app.refresh(&first).await.assert_problem(401, "refresh_token_reused");
        app.assert_session_is_dead(&person, &third).await;
    }

    async fn the_predecessor_is_theft_once_the_grace_time_has_passed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let second = Tokens::of(&app.refresh(&person.tokens.refresh).await);
        app.advance_seconds(9);
        let again = Tokens::of(&app.refresh(&person.tokens.refresh).await);
        assert_eq!(again.refresh, second.refresh, "a retry gets the same successor");
        app.advance_seconds(1);
        app.refresh(&person.tokens.refresh).await.assert_problem(401, "refresh_token_reused");
        app.assert_session_is_dead(&person, &second).await;
    }

    /// A lost answer is forgiven to the device that the session was begun from, and nobody else.
    async fn the_predecessor_is_forgiven_to_the_sessions_device_alone(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (person, stranger) = (app.register_person().await, app.register_person().await);
        let other = app.log_in(&person.identifier, PASSWORD).await.text_of("/device_token");
        let forged = format!("{}x", person.device_token);
        for foreign in [&stranger.device_token, &other, &forged] {
            let begun = app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await;
            let first = Tokens::of(&begun);
            let second = Tokens::of(&app.refresh(&first.refresh).await);
            app.advance_seconds(3_600);
            let again = Tokens::of(&app.refresh_from(&person.device_token, &first.refresh).await);
            assert_eq!(again.refresh, second.refresh, "the same successor");
            app.me(&again.access).await.assert_status(200);
            app.advance_seconds(3_600);
            app.refresh_from(foreign, &first.refresh).await.assert_problem(401, "refresh_token_reused");
            let dead = app.refresh_from(&person.device_token, &second.refresh).await;
            dead.assert_problem(401, "invalid_refresh_token");
        }
        assert_eq!(app.audit_outcomes("session.refresh_forgiven").await, ["success"; 3]);
    }

    /// Five tabs that kept a copy of one token, and wake together after its answer got lost.
    async fn five_tabs_that_wake_together_are_one_lost_answer(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let mut held = person.tokens.refresh.clone();
        for _ in 0..4 {
            app.refresh(&held).await.assert_status(200);
            app.advance_seconds(900);
            let answers = race::at_once(5, |_| {
                let (app, device, token) = (app.clone(), person.device_token.clone(), held.clone());
                async move { app.refresh_from(&device, &token).await }
            })
            .await;
            let mut successors: Vec<String> = answers.iter().map(|it| Tokens::of(it).refresh).collect();
            successors.dedup();
            assert_eq!(successors.len(), 1, "{answers:?}");
            held = successors.remove(0);
        }
        assert_eq!(app.audit_outcomes("session.refresh_forgiven").await.len(), 4);
        // The fifth within a day.
        app.refresh(&held).await.assert_status(200);
        app.advance_seconds(900);
        app.refresh_from(&person.device_token, &held).await.assert_problem(401, "refresh_token_reused");
    }

    /// V7.5.2.
    async fn ending_others_needs_a_recent_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let other = app.log_in(&person.identifier, PASSWORD).await;
        let device = app.get_as(&person.tokens.access, "/api/v1/me/devices").await.text_of("/items/0/id");
        let other = Tokens::of(&other);
        app.advance_seconds(10 * 60 + 1);
        person.tokens = Tokens::of(&app.refresh(&person.tokens.refresh).await);
        let path = format!("/api/v1/me/sessions/{}", other.session);
        let device = format!("/api/v1/me/devices/{device}");
        let all = [("DELETE", path.as_str()), ("DELETE", "/api/v1/me/sessions"),
            ("DELETE", device.as_str()), ("POST", "/api/v1/auth/logout-all")];
        for (method, path) in all {
            let request = app.request(method, path).bearer_auth(&person.tokens.access);
            let refused = app.send(request).await;
            refused.assert_problem(403, "reauthentication_required");
            assert_eq!(refused.json()["methods"], json!(["password"]));
        }
        let other = Tokens::of(&app.refresh(&other.refresh).await);
        // One's own ends without.
        let own = format!("/api/v1/me/sessions/{}", other.session);
        app.delete_as(&other.access, &own).await.assert_status(200);
        app.confirm(&mut person, &json!({"password": PASSWORD})).await;
        for (method, path) in all {
            let request = app.request(method, path).bearer_auth(&person.tokens.access);
            let status = if path == own { 404 } else { 200 };
            app.send(request).await.assert_status(status);
        }
    }

    /// V14.3.1: Fetch Metadata tells a browser from a server that signs out for somebody.
    async fn a_browser_that_signs_out_is_told_to_clear(engine: Engine) {
        let app = TestApp::start(engine).await;
        for path in ["/api/v1/auth/logout", "/api/v1/auth/logout-all"] {
            for (header, cleared) in [
                (Some("Sec-Fetch-Site"), Some("\"cache\", \"storage\"")),
                (Some("Sec-Fetch-Mode"), Some("\"cache\", \"storage\"")),
                (None, None),
            ] {
                let person = app.register_person().await;
                let mut request = app.request("POST", path).bearer_auth(&person.tokens.access);
                if let Some(header) = header {
                    request = request.header(header, "same-origin");
                }
                let answer = app.send(request).await;
                answer.assert_status(200);
                assert_eq!(answer.header("clear-site-data"), cleared, "{path}, {header:?}");
            }
        }
    }

    async fn a_forged_refresh_token_is_refused_without_a_query(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let token = &person.tokens.refresh;
        let (signed, mac) = token.rsplit_once('.').unwrap();
        let mut parts: Vec<&str> = token.split('.').collect();
        parts[3] = "1";
        let quiet = app.quiet().await;
        for forged in [
            parts.join("."),
            format!("{signed}.{}", mac.chars().rev().collect::<String>()),
            format!("{token}="),
            token.to_uppercase(),
            "fa_rt_v1.".to_owned(),
            person.tokens.access.clone(),
            person.device_token.clone(),
        ] {
            let before = app.counters().statements;
            app.refresh(&forged).await.assert_problem(401, "invalid_refresh_token");
            assert_eq!(app.counters().statements, before, "{forged}");
        }
        drop(quiet);
        app.refresh(token).await.assert_status(200);
    }

    async fn a_session_ends_when_idle_and_at_its_absolute_end(engine: Engine) {
        let app = TestApp::start(engine).await;
        let idle = app.register_person().await;
        let busy = app.register_person().await;
        let mut token = busy.tokens.refresh.clone();
        // Refreshing every thirteen days keeps a session through its idle limit of fourteen …
        for _ in 0..2 {
            app.advance_seconds(13 * 86_400);
            token = Tokens::of(&app.refresh(&token).await).refresh;
        }
        app.refresh(&idle.tokens.refresh).await.assert_problem(401, "invalid_refresh_token");
        // … but not past its absolute limit of thirty.
        app.advance_seconds(4 * 86_400);
        app.refresh(&token).await.assert_problem(401, "invalid_refresh_token");
    }

    async fn an_access_token_counts_for_ten_minutes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.advance_seconds(599);
        app.me(&person.tokens.access).await.assert_status(200);
        app.advance_seconds(70);
        let late = app.me(&person.tokens.access).await;
        late.assert_problem(401, "invalid_token");
        assert!(late.header("www-authenticate").unwrap().starts_with("Bearer"));
    }

    async fn signing_out_ends_the_session_at_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.me(&person.tokens.access).await.assert_status(200);
        app.post_as(&person.tokens.access, "/api/v1/auth/logout", &Value::Null).await.assert_status(200);
        app.me(&person.tokens.access).await.assert_problem(401, "invalid_token");
        app.refresh(&person.tokens.refresh).await.assert_problem(401, "invalid_refresh_token");
    }

    async fn signing_out_everywhere_ends_every_session(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let other = Tokens::of(&app.log_in(&person.identifier, PASSWORD).await);
        app.me(&other.access).await.assert_status(200);
        app.post_as(&person.tokens.access, "/api/v1/auth/logout-all", &Value::Null).await.assert_status(200);
        for tokens in [&person.tokens, &other] {
            app.me(&tokens.access).await.assert_problem(401, "invalid_token");
            app.refresh(&tokens.refresh).await.assert_problem(401, "invalid_refresh_token");
        }
    }

    async fn one_lists_and_ends_ones_own_sessions(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let mine = &person.tokens;
        app.advance_seconds(1);
        let other = Tokens::of(&app.log_in(&person.identifier, PASSWORD).await);
        let listed = app.get_as(&mine.access, "/api/v1/me/sessions").await.data();
        let items = listed["items"].as_array().unwrap();
        let ids: Vec<&str> = items.iter().map(|it| it["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [other.session.as_str(), mine.session.as_str()], "newest first");
        assert_eq!(items[1]["current"], true);
        assert_eq!(items[0]["current"], false);
        assert!(listed.get("next_cursor").is_none(), "{listed}");

        let path = format!("/api/v1/me/sessions/{}", other.session);
        app.delete_as(&mine.access, &path).await.assert_status(200);
        app.me(&other.access).await.assert_problem(401, "invalid_token");
        app.delete_as(&mine.access, &path).await.assert_problem(404, "not_found");
        app.me(&mine.access).await.assert_status(200);
    }

    async fn a_list_of_sessions_has_pages(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let mut expected = vec![person.tokens.session.clone()];
        for _ in 0..4 {
            app.advance_seconds(61);
            expected.insert(0, Tokens::of(&app.log_in(&person.identifier, PASSWORD).await).session);
        }
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let query = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let path = format!("/api/v1/me/sessions?limit=2{query}");
            let page = app.get_as(&person.tokens.access, &path).await.data();
            let items = page["items"].as_array().unwrap().clone();
            assert!(items.len() <= 2);
            seen.extend(items.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() { break; }
        }
        assert_eq!(seen, expected);
        for bad in ["limit=0", "limit=101", "limit=x", "cursor=junk", "offset=1", "limit=1&limit=2"] {
            let path = format!("/api/v1/me/sessions?{bad}");
            let answer = app.get_as(&person.tokens.access, &path).await;
            assert!(matches!(answer.status.as_u16(), 400 | 422), "{bad}: {answer:?}");
        }
    }

    async fn a_cursor_is_its_owners_and_what_we_handed_out(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (ada, bob) = (app.register_person().await, app.register_person().await);
        app.log_in(&ada.identifier, PASSWORD).await.assert_status(200);
        let page = app.get_as(&ada.tokens.access, "/api/v1/me/sessions?limit=1").await.data();
        let cursor = page["next_cursor"].as_str().unwrap().to_owned();
        let with = |cursor: &str| format!("/api/v1/me/sessions?cursor={cursor}");
        app.get_as(&ada.tokens.access, &with(&cursor)).await.assert_status(200);
        let last = if cursor.starts_with('A') { "B" } else { "A" };
        let altered = format!("{last}{}", &cursor[1..]);
        // The id of a session in base64: what a cursor was before it was authenticated.
        let bare = &cursor[..22];
        for (access, cursor) in [
            (&bob.tokens.access, cursor.as_str()),
            (&ada.tokens.access, altered.as_str()),
            (&ada.tokens.access, bare),
        ] {
            let answer = app.get_as(access, &with(cursor)).await;
            let problem = answer.assert_problem(422, "validation_failed").json();
            assert_eq!(problem["errors"][0]["field"], "cursor", "{problem}");
        }
        // Another node of the service reads it too.
        let other = app.another_node().await;
        other.get_as(&ada.tokens.access, &with(&cursor)).await.assert_status(200);
    }

    async fn ending_the_others_keeps_this_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let other = Tokens::of(&app.log_in(&person.identifier, PASSWORD).await);
        app.delete_as(&person.tokens.access, "/api/v1/me/sessions").await.assert_status(200);
        app.me(&person.tokens.access).await.assert_status(200);
        app.me(&other.access).await.assert_problem(401, "invalid_token");
    }

    async fn somebody_elses_session_is_no_session(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (ada, bob) = (app.register_person().await, app.register_person().await);
        let answers = [
            bob.tokens.session.clone(),
            "01920000-0000-7000-8000-000000000000".to_owned(),
        ]
        .map(|id| format!("/api/v1/me/sessions/{id}"));
        let mut bodies = Vec::new();
        for path in &answers {
            let answer = app.delete_as(&ada.tokens.access, path).await;
            let mut body = answer.assert_problem(404, "not_found").json();
            body.as_object_mut().unwrap().remove("request_id");
            bodies.push(body);
        }
        assert_eq!(bodies[0], bodies[1], "foreign and absent look the same");
        for junk in ["not-a-uuid", "%00", "1"] {
            let path = format!("/api/v1/me/sessions/{junk}");
            app.delete_as(&ada.tokens.access, &path).await.assert_status(404);
        }
        app.me(&bob.tokens.access).await.assert_status(200);
    }

    async fn the_fifty_first_session_ends_the_oldest(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for round in 0..50 {
            if round % 15 == 0 { app.advance_seconds(61); }
            app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await.assert_status(200);
        }
        app.refresh(&person.tokens.refresh).await.assert_problem(401, "invalid_refresh_token");
        assert_eq!(app.count("devices").await, 1);
    }

    async fn hundreds_of_devices_are_not_kept(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for round in 0..25 {
            if round % 15 == 0 { app.advance_seconds(61); }
            app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
        }
        assert_eq!(app.count("devices").await, 20);
    }

    async fn a_profile_is_changed_by_its_owner(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let change = json!({"display_name": "Ada \"><img onerror>{{x}}", "country": "gh", "language": "fr"});
        let answer = app.patch_as(&person.tokens.access, "/api/v1/me", &change).await;
        answer.assert_status(200);
        let me = app.me(&person.tokens.access).await.data();
        assert_eq!(me, answer.data());
        assert_eq!(me["display_name"], "Ada \"><img onerror>{{x}}");
        assert_eq!(me["profile"]["country"], "GH");
        let cleared = app.patch_as(&person.tokens.access, "/api/v1/me", &json!({"country": null})).await.data();
        assert!(cleared["profile"]["country"].is_null());
        assert_eq!(cleared["display_name"], me["display_name"]);
        for bad in [
            json!({"country": "XX"}), json!({"display_name": ""}), json!({"display_name": "a\u{0}b"}),
            json!({"display_name": "a".repeat(81)}), json!({"language": "not a language"}),
        ] {
            app.patch_as(&person.tokens.access, "/api/v1/me", &bad).await.assert_problem(422, "validation_failed");
        }
        for forbidden in ["role", "roles", "is_staff", "is_admin", "permissions", "email", "email_verified",
            "wallet_balance", "id", "created_at", "password_hash", "status", "mfa_enabled"] {
            let body = json!({forbidden: "admin"});
            app.patch_as(&person.tokens.access, "/api/v1/me", &body).await.assert_problem(400, "malformed_request");
        }
        assert_eq!(app.me(&person.tokens.access).await.data()["roles"], json!(["client"]));
    }

    async fn a_token_is_a_bearer_in_the_header_and_nothing_else(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        let tries = [
            app.request("GET", "/api/v1/me"),
            app.request("GET", &format!("/api/v1/me?access_token={access}")),
            app.request("GET", "/api/v1/me").header("Authorization", access.as_str()),
            app.request("GET", "/api/v1/me").header("Authorization", format!("Basic {access}")),
            app.request("GET", "/api/v1/me").header("Cookie", format!("access_token={access}")),
            app.request("GET", "/api/v1/me").header("Authorization", format!("Bearer {}", person.tokens.refresh)),
            app.request("GET", "/api/v1/me").header("Authorization", format!("Bearer {}", person.device_token)),
            app.request("GET", "/api/v1/me").header("Authorization", format!("Bearer {access}x")),
            app.request("GET", "/api/v1/me").header("Authorization", "Bearer "),
        ];
        for request in tries {
            let answer = app.send(request).await;
            assert!(matches!(answer.status.as_u16(), 400 | 401), "{answer:?}");
            assert!(!answer.text.contains(&person.identifier));
        }
    }
}

#[test]
fn an_ended_session_is_refused_on_a_second_node_as_soon_as_it_hears() {
    testkit::runtime::run(async {
        let app = TestApp::start(Engine::Production).await;
        let second = app.another_node().await;
        for _ in 0..5 {
            let person = app.register_person().await;
            second.me(&person.tokens.access).await.assert_status(200);
            app.post_as(&person.tokens.access, "/api/v1/auth/logout", &Value::Null)
                .await
                .assert_status(200);
            app.me(&person.tokens.access)
                .await
                .assert_problem(401, "invalid_token");
            // The test's clock stands still, so no time-to-live helps: the node has to be told.
            app.until("the second node refuses the session", async || {
                second.me(&person.tokens.access).await.status == 401
            })
            .await;
        }
    });
}
