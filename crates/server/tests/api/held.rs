//! Requests whose last byte is held back: they were let in with a token that counted, and are judged by what counts
//! when they act.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    app::TestApp,
    google::Bed,
    grants::Owner,
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

/// A request that lacks its last byte.
struct Held {
    stream: TcpStream,
    last: u8,
}

impl Held {
    /// Sends all but the last byte, and waits until the service asks for the body: then the token has been judged.
    async fn send(app: &TestApp, access: &str, method: &str, path: &str, body: &Value) -> Self {
        let body = body.to_string();
        let address = app.address().trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {access}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\
             connection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        let (last, rest) = body.as_bytes().split_last().unwrap();
        stream.write_all(rest).await.unwrap();
        stream.flush().await.unwrap();
        Self {
            stream,
            last: *last,
        }
    }

    /// Sends the last byte; the status, and the answer.
    async fn finish(mut self) -> (u16, String) {
        self.stream.write_all(&[self.last]).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }
}

/// What replaces the token, or ends its session, meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    PasswordChange,
    StepUp,
    SignOut,
}

const MEANWHILE: [Meanwhile; 3] = [
    Meanwhile::PasswordChange,
    Meanwhile::StepUp,
    Meanwhile::SignOut,
];

/// What a thief would do with a token of somebody who has everything set up.
async fn acts(bed: &Bed, owner: &Owner, access: &str) -> Vec<(&'static str, &'static str, Value)> {
    let app = &bed.app;
    let new_app = app.next_totp(access).await.build().unwrap();
    let new_app: Value =
        serde_json::from_slice(new_app.body().unwrap().as_bytes().unwrap()).unwrap();
    let passkey = app.next_passkey(access).await.build().unwrap();
    let passkey: Value =
        serde_json::from_slice(passkey.body().unwrap().as_bytes().unwrap()).unwrap();
    let recovery_code = owner.it.recovery_codes[0].clone();
    vec![
        (
            "POST",
            "/api/v1/auth/reauthenticate",
            json!({"method": "recovery_code", "code": recovery_code}),
        ),
        (
            "POST",
            "/api/v1/auth/reauthenticate",
            json!({"password": PASSWORD}),
        ),
        ("POST", "/api/v1/me/mfa/totp/confirm", new_app),
        ("POST", "/api/v1/me/passkeys", passkey),
        (
            "POST",
            "/api/v1/auth/password/change",
            json!({"current_password": PASSWORD, "new_password": "walnut-Cistern-58-marigold"}),
        ),
        (
            "POST",
            "/api/v1/me/identifier",
            json!({"email": app.fresh_email()}),
        ),
        ("PATCH", "/api/v1/me", json!({"display_name": "Mallory"})),
    ]
}

async fn walk(bed: &Bed, meanwhile: Meanwhile, number: usize) -> bool {
    let app = &bed.app;
    let owner = bed.owner().await;
    let signed_in = app
        .sign_in_with(&owner.passkey, &crate::passkeys::honest())
        .await;
    let tokens = Tokens::of(&signed_in);
    let access = &tokens.access;
    let acts = acts(bed, &owner, access).await;
    let Some((method, path, body)) = acts.get(number) else {
        return false;
    };
    let held = Held::send(app, access, method, path, body).await;
    let kept = match meanwhile {
        Meanwhile::PasswordChange => {
            let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
            let path = "/api/v1/auth/password/change";
            Some(Tokens::of(&app.post_as(access, path, &body).await))
        }
        Meanwhile::StepUp => {
            let body = json!({"password": PASSWORD});
            Some(Tokens::of(&app.reauthenticate(access, &body).await))
        }
        Meanwhile::SignOut => {
            let out = app
                .request("POST", "/api/v1/auth/logout")
                .bearer_auth(access);
            app.send(out).await.assert_status(200);
            None
        }
    };
    let (status, answer) = held.finish().await;
    assert_eq!(status, 401, "{meanwhile:?}, {method} {path}: {answer}");
    assert!(
        answer.contains("invalid_token"),
        "{meanwhile:?}, {path}: {answer}"
    );
    if let Some(kept) = kept {
        app.me(&kept.access).await.assert_status(200);
        app.refresh(&kept.refresh).await.assert_status(200);
    }
    true
}

testkit::on_every_engine! {
    /// OWASP ASVS 5.0 V7.2.4, V7.4.1: a token that was replaced, or whose session has ended, does nothing any more.
    async fn a_request_that_was_let_in_before_its_token_was_replaced_does_nothing(engine: Engine) {
        let bed = Bed::start(engine).await;
        for meanwhile in MEANWHILE {
            let mut number = 0;
            while Box::pin(walk(&bed, meanwhile, number)).await {
                number += 1;
            }
            assert_eq!(number, 7, "every act was tried");
        }
    }
}
