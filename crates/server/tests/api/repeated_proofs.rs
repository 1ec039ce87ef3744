//! A proof that can be used once, and whose answer nobody got: the same request, sent again, gets it. One that was
//! answered is used, whenever and however often it comes again.

use std::time::Duration;

use reqwest::{
    Request, RequestBuilder,
    header::{AUTHORIZATION, HeaderValue},
};
use serde_json::json;
use testkit::{Engine, race::at_once, servers::Proxy};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    answer::Answer,
    app::TestApp,
    google::{Bed, LINK},
    grants::Grant,
    outstanding::{Outstanding, Scene},
    person::{PASSWORD, Tokens},
};

/// How many send the same at once.
const RIVALS: usize = 8;

/// What ends the tokens that it came with is repeated with a key (`docs/sign-in-flows.md`), and may be repeated often.
const fn has_a_key(outstanding: Outstanding) -> bool {
    matches!(
        outstanding,
        Outstanding::TotpEnrolment | Outstanding::ProofNonce
    )
}

/// Sends a request that was made for one node to another.
async fn send_to(node: &TestApp, request: &Request) -> Answer {
    let (client, there) = node.request("POST", "/").build_split();
    let mut request = request.try_clone().unwrap();
    let port = there.unwrap().url().port();
    request.url_mut().set_port(port).unwrap();
    node.send(RequestBuilder::from_parts(client, request)).await
}

/// A node that reaches its database through a proxy.
async fn node_behind_a_proxy(bed: &Bed) -> (TestApp, Proxy) {
    let proxy = Proxy::before(bed.app.database().url());
    let url = proxy.url().to_owned();
    let node = bed
        .another_node_with(|config| config.database.url = Some(url.into()))
        .await;
    (node, proxy)
}

/// The database commits, and the node never hears of it: 503. Of those who repeat the request, at any node and at
/// once, one gets the answer; with a key all of them do.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_got_is_given_to_one_repeat() {
    let bed = Bed::start(Engine::Production).await;
    let (node, proxy) = node_behind_a_proxy(&bed).await;
    // A flow is used up before its provider is asked, and the provider's code counts once: whoever was answered 503
    // in between begins again.
    let flow = Outstanding::SignIn(Grant::GoogleFlow);
    for outstanding in Outstanding::ALL.into_iter().filter(|it| *it != flow) {
        let scene = Box::pin(Scene::set(&bed)).await;
        let request = outstanding.ask(&bed, &scene).await;
        let mut request = request.build().unwrap();
        if has_a_key(outstanding) {
            let key = HeaderValue::from_static("the answer got lost");
            request.headers_mut().insert("idempotency-key", key);
        }
        let quiet = (bed.app.quiet().await, node.quiet().await);
        proxy.lose_the_answer_of_the_next_commit();
        let lost = send_to(&node, &request).await;
        assert_eq!(lost.status, 503, "{outstanding:?}: {lost:?}");
        assert!(
            lost.header("retry-after").is_some(),
            "{outstanding:?}: {lost:?}"
        );
        drop(quiet);
        let rivals = {
            let (app, request) = (bed.app.clone(), request.try_clone().unwrap());
            at_once(RIVALS, move |_| {
                let (app, request) = (app.clone(), request.try_clone().unwrap());
                async move { send_to(&app, &request).await }
            })
            .await
        };
        let got: Vec<_> = rivals.iter().filter(|it| it.status.is_success()).collect();
        let expected = if has_a_key(outstanding) { RIVALS } else { 1 };
        assert_eq!(got.len(), expected, "{outstanding:?}: {rivals:?}");
        if got[0].json().pointer("/data/tokens").is_some() {
            let tokens = Tokens::of(got[0]);
            bed.app.me(&tokens.access).await.assert_status(200);
            bed.app.refresh(&tokens.refresh).await.assert_status(200);
        }
        if !has_a_key(outstanding) {
            let late = send_to(&node, &request).await;
            assert!(late.status.is_client_error(), "{outstanding:?}: {late:?}");
        }
    }
}

/// Somebody who was not answered begins anew instead of repeating what they sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_asks_for_is_in_nobodys_way() {
    let bed = Bed::start(Engine::Production).await;
    let (node, proxy) = node_behind_a_proxy(&bed).await;
    let scene = Box::pin(Scene::set(&bed)).await;
    let enrolment = Outstanding::PasskeyEnrolment;
    let first = enrolment.ask(&bed, &scene).await.build().unwrap();
    lose(&bed, &node, &proxy, &first).await;
    let second = enrolment.ask(&bed, &scene).await;
    bed.app.send(second).await.assert_status(201);
}

/// Sends a request through the node whose database loses the answer.
async fn lose(bed: &Bed, node: &TestApp, proxy: &Proxy, request: &Request) {
    let _quiet = (bed.app.quiet().await, node.quiet().await);
    proxy.lose_the_answer_of_the_next_commit();
    let lost = send_to(node, request).await;
    assert_eq!(lost.status, 503, "{lost:?}");
}

/// Somebody else who sends the same with a token of their own gets nothing of it, and takes nothing away.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_a_session_is_given_in_that_session() {
    let bed = Bed::start(Engine::Production).await;
    let (node, proxy) = node_behind_a_proxy(&bed).await;
    let stranger = bed.app.register_person().await;
    for outstanding in [
        Outstanding::PasskeyEnrolment,
        Outstanding::IdentifierChange,
        Outstanding::LinkNonce,
    ] {
        let scene = Box::pin(Scene::set(&bed)).await;
        let request = outstanding.ask(&bed, &scene).await.build().unwrap();
        lose(&bed, &node, &proxy, &request).await;
        let mut of_another = request.try_clone().unwrap();
        let token = format!("Bearer {}", stranger.tokens.access);
        of_another
            .headers_mut()
            .insert(AUTHORIZATION, token.parse().unwrap());
        let refused = send_to(&bed.app, &of_another).await;
        assert!(
            refused.status.is_client_error(),
            "{outstanding:?}: {refused:?}"
        );
        let repeated = send_to(&bed.app, &request).await;
        assert!(
            repeated.status.is_success(),
            "{outstanding:?}: {repeated:?}"
        );
    }
}

/// What was done and taken back is not told as done.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_not_answered_again() {
    let bed = Bed::start(Engine::Production).await;
    let (node, proxy) = node_behind_a_proxy(&bed).await;
    let app = &bed.app;

    let scene = Box::pin(Scene::set(&bed)).await;
    let sign_in = Outstanding::SignIn(Grant::Passkey);
    let sign_in = sign_in.ask(&bed, &scene).await.build().unwrap();
    lose(&bed, &node, &proxy, &sign_in).await;
    let ended = app.post_as(scene.access(), "/api/v1/auth/logout-all", &json!(null));
    ended.await.assert_status(200);
    let repeated = send_to(app, &sign_in).await;
    repeated.assert_problem(401, "invalid_code");

    let scene = Box::pin(Scene::set(&bed)).await;
    let link = Outstanding::LinkNonce.ask(&bed, &scene).await;
    let link = link.build().unwrap();
    lose(&bed, &node, &proxy, &link).await;
    let unlinked = app.delete_as(scene.access(), LINK).await;
    unlinked.assert_status(200);
    let repeated = send_to(app, &link).await;
    assert!(repeated.status.is_client_error(), "{repeated:?}");
}

/// With an account's first passkey more is asked for than the sign-in that added it.
#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_first_passkey_is_answered_again() {
    let bed = Bed::start(Engine::Production).await;
    let (node, proxy) = node_behind_a_proxy(&bed).await;
    let person = bed.app.register_person().await;
    let request = bed.app.next_passkey(&person.tokens.access).await;
    let request = request.build().unwrap();
    lose(&bed, &node, &proxy, &request).await;
    let repeated = send_to(&bed.app, &request).await;
    repeated.assert_status(201);
    let listed = bed
        .app
        .get_as(&person.tokens.access, "/api/v1/me/passkeys")
        .await;
    assert_eq!(listed.data()["items"], json!([repeated.data()]));
    let late = send_to(&bed.app, &request).await;
    late.assert_problem(403, "reauthentication_required");
}

/// The answer took too long, and the work was done all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_was_answered_too_late_is_answered_when_it_is_repeated() {
    let app = TestApp::start(Engine::Production).await;
    let node = app
        .another_node_with(|config| config.http.request_deadline = Duration::from_secs(1))
        .await;
    let email = app.fresh_email();
    let challenge = app.ask_to_register(&email, PASSWORD).await;
    let code = app.code_sent_to(&email).await;
    let body = json!({"challenge_id": challenge.text_of("/challenge_id"), "code": code});
    let path = "/api/v1/auth/verify-otp";
    let _quiet = (app.quiet().await, node.quiet().await);

    let lock = app.database().lock(&["accounts"]).await;
    let late = node.post(path, &body).await;
    late.assert_problem(503, "deadline_exceeded");
    lock.close().await.unwrap();
    app.until("the account is there", async || {
        app.database().count("accounts").await == 1
    })
    .await;
    // A wrong code gets nothing of it.
    let other = json!({"challenge_id": challenge.text_of("/challenge_id"), "code": "000000"});
    app.post(path, &other)
        .await
        .assert_problem(401, "invalid_code");
    let again = app.post(path, &body).await;
    again.assert_status(201);
    let tokens = Tokens::of(&again);
    app.me(&tokens.access).await.assert_status(200);
    app.post(path, &body)
        .await
        .assert_problem(401, "invalid_code");
}

/// A client that gives up closes its side of the connection (FIN), and so does a proxy for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_whose_client_gave_up_is_answered_when_it_is_repeated() {
    let app = TestApp::start(Engine::Production).await;
    let email = app.fresh_email();
    let challenge = app.ask_to_register(&email, PASSWORD).await;
    let code = app.code_sent_to(&email).await;
    let body = json!({"challenge_id": challenge.text_of("/challenge_id"), "code": code});
    let path = "/api/v1/auth/verify-otp";
    let _quiet = app.quiet().await;

    let lock = app.database().lock(&["accounts"]).await;
    let address = app.address().trim_start_matches("http://");
    let mut client = TcpStream::connect(address).await.unwrap();
    let text = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    app.until("the registration waits", async || {
        let waiting = "SELECT 1 AS n FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
             WHERE NOT l.granted AND d.datname = current_database()";
        !app.database().rows(waiting).await.is_empty()
    })
    .await;
    client.shutdown().await.unwrap();
    // The service closes its side, too: it knows that nobody waits.
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&rest), "");
    lock.close().await.unwrap();
    app.until("the account is there", async || {
        app.database().count("accounts").await == 1
    })
    .await;
    app.post(path, &body).await.assert_status(201);
    app.post(path, &body)
        .await
        .assert_problem(401, "invalid_code");
}
