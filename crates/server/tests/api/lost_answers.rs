//! The database commits, and its answer gets lost: nobody knows whether it was done, and what was done counts
//! all the same.

use serde_json::{Value, json};
use testkit::{Engine, servers::Proxy};

use crate::{
    app::TestApp,
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

/// Two nodes on the same stores; what the second asks the database goes by the proxy.
async fn two_nodes() -> (TestApp, TestApp, Proxy) {
    let other = TestApp::start(Engine::Production).await;
    let proxy = Proxy::before(other.database().url());
    let url = proxy.url().to_owned();
    let node = other
        .another_node_with(|config| config.database.url = Some(url.into()))
        .await;
    (other, node, proxy)
}

/// Each way in which a session ends: with the answer lost it is 503, and no node believes the session any
/// more. The clock stands still, so no cache forgets it by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_may_have_ended_is_believed_by_no_cache() {
    let (other, node, proxy) = two_nodes().await;
    for way in [
        "log out",
        "log out everywhere",
        "end it",
        "theft",
        "password",
    ] {
        let owner = node.register_person().await;
        let answer = node.log_in(&owner.identifier, PASSWORD).await;
        let victim = Tokens::of(&answer);
        let second = Tokens::of(&node.refresh(&victim.refresh).await);
        node.refresh(&second.refresh).await.assert_status(200);
        let quiet = node.quiet().await;
        for app in [&node, &other] {
            app.me(&victim.access).await.assert_status(200);
        }
        proxy.lose_the_answer_of_the_next_commit();
        let own = &owner.tokens.access;
        let lost = match way {
            "log out" => {
                let path = "/api/v1/auth/logout";
                node.post_as(&victim.access, path, &Value::Null).await
            }
            "log out everywhere" => {
                let path = "/api/v1/auth/logout-all";
                node.post_as(own, path, &Value::Null).await
            }
            "end it" => {
                let path = format!("/api/v1/me/sessions/{}", victim.session);
                node.delete_as(own, &path).await
            }
            "theft" => node.refresh(&victim.refresh).await,
            _ => node.change_password(own, PASSWORD, OTHER_PASSWORD).await,
        };
        assert_eq!(lost.status, 503, "{way}: {lost:?}");
        node.me(&victim.access)
            .await
            .assert_problem(401, "invalid_token");
        other
            .until(&format!("the other node hears of it: {way}"), async || {
                other.me(&victim.access).await.status == 401
            })
            .await;
        drop(quiet);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_may_have_changed_is_read_again() {
    let (_other, node, proxy) = two_nodes().await;
    let person = node.register_person().await;
    let _quiet = node.quiet().await;
    let access = &person.tokens.access;
    node.me(access).await.assert_status(200);
    proxy.lose_the_answer_of_the_next_commit();
    let change = json!({"display_name": "Ada"});
    let lost = node.patch_as(access, "/api/v1/me", &change).await;
    assert_eq!(lost.status, 503, "{lost:?}");
    let seen = node.me(access).await;
    assert_eq!(seen.text_of("/display_name"), "Ada");
}
