//! Parsing and validation of bodies.

use super::*;

#[actix_web::test]
async fn a_form_is_told_all_that_is_wrong_with_it() {
    let test = TestState::new().await;
    let body = json!({
        "email": "not-an-address", "password": "", "role": "admin", "country": "XX", "display_name": "a\u{202e}b",
    });
    let answer = ask(&test, post("/api/v1/auth/register", &body)).await;
    answer.assert_problem(422, "validation_failed");
    let problem = answer.json();
    let errors: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let text = |key: &str| error[key].as_str().unwrap().to_owned();
            format!("{}/{}", text("field"), text("code"))
        })
        .collect();
    assert_eq!(
        errors,
        [
            "email/invalid_email",
            "password/required",
            "display_name/unprintable_characters",
            "country/unknown_country",
        ]
    );
}

#[actix_web::test]
async fn nobody_registers_as_staff_or_with_two_identifiers() {
    let test = TestState::new().await;
    let password = "correct horse battery staple";
    for (body, field) in [
        (
            json!({ "email": "ada@example.com", "password": password, "role": "admin" }),
            "role",
        ),
        (
            json!({ "email": "ada@example.com", "password": password, "role": "king" }),
            "role",
        ),
        (
            json!({ "email": "ada@example.com", "phone": "+2348012345678", "password": password }),
            "identifier",
        ),
        (json!({ "password": password }), "identifier"),
        (
            json!({ "email": "ada@example.com", "password": "password123" }),
            "password",
        ),
    ] {
        let answer = ask(&test, post("/api/v1/auth/register", &body)).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{body}");
    }
}

#[actix_web::test]
async fn a_registration_answers_with_a_challenge() {
    let test = TestState::new().await;
    let body = json!({ "email": "ada@example.com", "password": "correct horse battery staple" });
    let answer = ask(&test, post("/api/v1/auth/register", &body)).await;
    assert_eq!(answer.status, 202);
    let data = &answer.json()["data"];
    assert_eq!(data["channel"], "email");
    assert_eq!(data["sent_to"], "a***@e***.com");
    assert_eq!(data["expires_in"], 600);
    assert_eq!(data["resend_in"], 60);
    assert_eq!(data["challenge_id"].as_str().map(str::len), Some(32));
}

#[actix_web::test]
async fn a_repeated_registration_gets_the_answer_it_had() {
    let test = TestState::new().await;
    let body = json!({ "email": "ada@example.com", "password": "correct horse battery staple" });
    let with_key =
        |body: &Value| post("/api/v1/auth/register", body).insert_header(("idempotency-key", "k1"));
    let first = ask(&test, with_key(&body)).await;
    let again = ask(&test, with_key(&body)).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202));
    assert_eq!(first.json(), again.json());
    let other = json!({ "email": "bob@example.com", "password": "correct horse battery staple" });
    ask(&test, with_key(&other))
        .await
        .assert_problem(422, "idempotency_key_reused");
}

#[actix_web::test]
async fn wrong_passwords_look_alike_and_lock_with_the_time_to_wait() {
    let test = TestState::new().await;
    let app = TestApp::new(public_app(test.state.clone())).await;
    let body =
        json!({ "identifier": "nobody@example.com", "password": "wrong horse battery staple" });
    for _ in 0..5 {
        let answer = app.ask(post("/api/v1/auth/login", &body)).await;
        answer.assert_problem(401, "invalid_credentials");
        assert_eq!(answer.json()["detail"], "Invalid credentials");
        assert!(
            answer
                .header("ratelimit-policy")
                .contains(r#""subject";q=20;w=60"#)
        );
    }
    let locked = app.ask(post("/api/v1/auth/login", &body)).await;
    locked.assert_problem(429, "account_locked");
    assert_eq!(locked.header("retry-after"), "900");
    assert!(
        locked
            .header("ratelimit")
            .contains(r#""attempts";r=0;t=900"#)
    );
}

#[actix_web::test]
async fn a_code_that_does_not_count_is_a_401() {
    let test = TestState::new().await;
    let body = json!({ "challenge_id": "f".repeat(32), "code": "000000" });
    ask(&test, post("/api/v1/auth/verify-otp", &body))
        .await
        .assert_problem(401, "invalid_code");
    let malformed = json!({ "challenge_id": "f".repeat(32), "code": "abcdef" });
    ask(&test, post("/api/v1/auth/verify-otp", &malformed))
        .await
        .assert_problem(422, "validation_failed");
    let resend = json!({ "challenge_id": "f".repeat(32) });
    ask(&test, post("/api/v1/auth/resend-otp", &resend))
        .await
        .assert_problem(401, "invalid_code");
    let refresh = json!({ "refresh_token": "fa_rt_v1.k.x.0.y" });
    ask(&test, post("/api/v1/auth/token/refresh", &refresh))
        .await
        .assert_problem(401, "invalid_refresh_token");
}

#[actix_web::test]
async fn a_reset_takes_a_code_or_a_link_and_not_both() {
    let test = TestState::new().await;
    let password = "purple monkey dishwasher 7";
    let token = "f".repeat(32);
    for (body, status, code) in [
        (
            json!({ "token": token, "new_password": password }),
            401,
            "invalid_code",
        ),
        (
            json!({ "challenge_id": token, "code": "000000", "new_password": password }),
            401,
            "invalid_code",
        ),
        (
            json!({ "token": token, "code": "000000", "new_password": password }),
            422,
            "validation_failed",
        ),
        (
            json!({ "challenge_id": token, "new_password": password }),
            422,
            "validation_failed",
        ),
        (
            json!({ "new_password": password }),
            422,
            "validation_failed",
        ),
        (
            json!({ "token": token, "new_password": "password123" }),
            422,
            "validation_failed",
        ),
    ] {
        ask(&test, post("/api/v1/auth/password/reset/confirm", &body))
            .await
            .assert_problem(status, code);
    }
}
