//! Enrolling a passkey, signing in with it, and what is refused, in Chromium.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    driver::{Browser, Device},
    site::{PASSWORD, Service, serve_page},
};

/// Somebody with a browser whose device has a passkey.
struct Bed {
    browser: Browser,
    device: Device,
    service: Service,
    /// The page that may ask for passkeys.
    ours: String,
    /// One that may call the service, and whose passkeys are of the same domain, and yet not ours.
    foreign: String,
    token: String,
    _data: TempDir,
}

const EMAIL: &str = "ada@example.com";

impl Bed {
    async fn start() -> Self {
        let (ours, foreign) = (serve_page().await, serve_page().await);
        let data = tempfile::tempdir().unwrap();
        let service = Service::start(data.path(), &[&ours, &foreign]).await;
        let token = service.register(EMAIL).await;
        let browser = Browser::start().await;
        let device = browser.add_device().await;
        browser.open(&ours).await;
        let bed = Self {
            browser,
            device,
            service,
            ours,
            foreign,
            token,
            _data: data,
        };
        let added = bed.enrol().await;
        assert_eq!(added["status"], 201, "{added}");
        bed
    }

    async fn end(self) {
        self.browser.close().await;
        self.service.stop().await;
    }

    async fn enrol(&self) -> Value {
        let arguments = [json!(self.service.api), json!(self.token)];
        self.browser.eval("enrol(...given)", &arguments).await
    }

    /// On the page that is open; with what was answered, and the body that it was answered to.
    async fn sign_in(&self, changes: Value) -> (Value, Value) {
        let arguments = [json!(self.service.api), changes];
        let done = self.browser.eval("signIn(...given)", &arguments).await;
        (done["answer"].clone(), done["body"].clone())
    }
}

fn assert_signed_in(answer: &Value) {
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!(answer["data"]["status"], "authenticated");
    assert_eq!(answer["data"]["user"]["email"], EMAIL);
}

fn assert_refused(answer: &Value) {
    assert_eq!(answer["status"], 401, "{answer}");
    assert_eq!(answer["code"], "invalid_code");
}

#[tokio::test]
async fn a_passkey_of_a_browser_signs_in_without_an_identifier() {
    let bed = Bed::start().await;
    let passkeys = bed.browser.passkeys(&bed.device).await;
    assert_eq!(passkeys.len(), 1, "{passkeys:?}");
    assert_eq!(passkeys[0]["rpId"], "localhost");
    assert_eq!(passkeys[0]["isResidentCredential"], true);
    let (first, _) = bed.sign_in(json!({})).await;
    assert_signed_in(&first);
    // Its counter grows.
    let (second, _) = bed.sign_in(json!({})).await;
    assert_signed_in(&second);
    assert_eq!(
        bed.browser.eval("isConditionalUiThere()", &[]).await,
        json!(true)
    );
    bed.end().await;
}

#[tokio::test]
async fn a_device_that_has_a_passkey_makes_no_second() {
    let bed = Bed::start().await;
    // With a passkey set up, another one is added soon after it was proven.
    let (proven, _) = bed.sign_in(json!({})).await;
    assert_signed_in(&proven);
    let token = &proven["data"]["tokens"]["access_token"];
    let arguments = [json!(bed.service.api), token.clone()];
    let again = bed.browser.settle("enrol(...given)", &arguments).await;
    let refused = again.unwrap_err();
    assert!(refused.starts_with("InvalidStateError"), "{refused}");
    assert_eq!(bed.browser.passkeys(&bed.device).await.len(), 1);
    bed.end().await;
}

#[tokio::test]
async fn a_passkey_is_the_second_factor_of_a_password() {
    let bed = Bed::start().await;
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    let (status, asked) = bed.service.post("/auth/login", &body).await;
    assert_eq!(status, 200, "{asked}");
    assert_eq!(asked["data"]["status"], "mfa_required", "{asked}");
    let methods = asked["data"]["methods"].as_array().unwrap();
    assert!(methods.contains(&json!("webauthn")), "{methods:?}");
    let arguments = [
        json!(bed.service.api),
        asked["data"]["challenge_id"].clone(),
    ];
    let answer = bed.browser.eval("secondFactor(...given)", &arguments).await;
    assert_signed_in(&answer);
    bed.end().await;
}

/// T24.
#[tokio::test]
async fn an_answer_of_a_browser_counts_once() {
    let bed = Bed::start().await;
    let (first, body) = bed.sign_in(json!({})).await;
    assert_signed_in(&first);
    let (status, replayed) = bed.service.post("/auth/passkey/verify", &body).await;
    assert_eq!(status, 401, "{replayed}");
    bed.end().await;
}

/// T25: the options of one ceremony, answered to another.
#[tokio::test]
async fn an_answer_to_a_foreign_challenge_is_refused() {
    let bed = Bed::start().await;
    let mixed_up = "(async () => { \
        const mine = await call(given[0], '/auth/passkey/options'); \
        const theirs = await call(given[0], '/auth/passkey/options'); \
        const credential = await get(theirs.data.public_key); \
        return call(given[0], '/auth/passkey/verify', {challenge_id: mine.data.challenge_id, credential}); \
    })()";
    let arguments = [json!(bed.service.api)];
    assert_refused(&bed.browser.eval(mixed_up, &arguments).await);
    bed.end().await;
}

/// T26: the browser lets any port of the domain have the passkey; the service does not.
#[tokio::test]
async fn a_page_of_another_origin_gets_nobody_in() {
    let bed = Bed::start().await;
    bed.browser.open(&bed.foreign).await;
    let (refused, _) = bed.sign_in(json!({})).await;
    assert_refused(&refused);
    bed.browser.open(&bed.ours).await;
    let (answer, _) = bed.sign_in(json!({})).await;
    assert_signed_in(&answer);
    bed.end().await;
}

/// T27: a page that asks for less than the service did.
#[tokio::test]
async fn a_user_whom_the_device_did_not_verify_is_refused() {
    let bed = Bed::start().await;
    let (refused, _) = bed
        .sign_in(json!({"userVerification": "discouraged"}))
        .await;
    assert_refused(&refused);
    let (answer, _) = bed.sign_in(json!({})).await;
    assert_signed_in(&answer);
    bed.end().await;
}

/// T28: the passkey, copied to another device whose counter stands lower.
#[tokio::test]
async fn a_copy_whose_counter_is_behind_is_refused() {
    let bed = Bed::start().await;
    let mut copy = bed.browser.passkeys(&bed.device).await.remove(0);
    for _ in 0..2 {
        let (answer, _) = bed.sign_in(json!({})).await;
        assert_signed_in(&answer);
    }
    copy["signCount"] = json!(0);
    let Bed {
        browser,
        device,
        service,
        ..
    } = bed;
    browser.remove_device(device).await;
    let thiefs = browser.add_device().await;
    browser.add_passkey(&thiefs, &copy).await;
    let arguments = [json!(service.api), json!({})];
    let done = browser.eval("signIn(...given)", &arguments).await;
    assert_refused(&done["answer"]);
    browser.close().await;
    service.stop().await;
}

/// What docs/passkeys.md has a page do with the Signal API (Level 3 §5.1.10).
#[tokio::test]
async fn a_device_offers_no_passkey_that_was_removed_and_knows_the_new_name() {
    let bed = Bed::start().await;
    let (proven, _) = bed.sign_in(json!({})).await;
    assert_signed_in(&proven);
    let token = proven["data"]["tokens"]["access_token"].clone();
    let with_token = [json!(bed.service.api), token.clone()];
    let on_device = async || bed.browser.passkeys(&bed.device).await;
    let tell = "tellAcceptedPasskeys(...given)";
    let change = "call(given[0], given[2], given[4] ?? undefined, given[1], given[3])";
    let request = async |method: &str, path: &str, body: Value| {
        let given = [with_token.as_slice(), &[json!(path), json!(method), body]].concat();
        let answer = bed.browser.eval(change, &given).await;
        assert_eq!(answer["status"], 200, "{answer}");
    };

    request("PATCH", "/me", json!({"display_name": "Countess"})).await;
    bed.browser.eval("tellDetails(...given)", &with_token).await;
    let told = on_device().await.remove(0);
    assert_eq!(told["userDisplayName"], "Countess", "{told}");

    // One that counts stays.
    let items = bed.browser.eval(tell, &with_token).await;
    assert_eq!(on_device().await.len(), 1);
    let path = |items: &Value| format!("/me/passkeys/{}", items[0]["id"].as_str().unwrap());

    // One that was removed elsewhere is found out by who tries it.
    request("DELETE", &path(&items), Value::Null).await;
    let (refused, _) = bed.sign_in(json!({})).await;
    assert_eq!(refused["errors"][0]["code"], "unknown_passkey", "{refused}");
    assert!(on_device().await.is_empty());

    // One that is removed here goes at once.
    let added = bed.browser.eval("enrol(...given)", &with_token).await;
    assert_eq!(added["status"], 201, "{added}");
    let items = bed.browser.eval(tell, &with_token).await;
    assert_eq!(on_device().await.len(), 1);
    request("DELETE", &path(&items), Value::Null).await;
    bed.browser.eval(tell, &with_token).await;
    assert!(on_device().await.is_empty());
    bed.end().await;
}
