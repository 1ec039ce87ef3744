//! Two acts that meet, and what comes of it.

use reqwest::{
    Request,
    header::{AUTHORIZATION, HeaderValue},
};
use serde_json::Value;
use testkit::race;

use super::{Act, Meeting, Outcome, Two};

impl Two {
    pub(super) async fn run(&self, acts: [Act; 2], meeting: Meeting) -> Outcome {
        let scene = self.set(acts).await;
        let nodes = [&self.bed.app, &self.other];
        let mut requests = Vec::new();
        for (act, node) in acts.into_iter().zip(nodes) {
            requests.push(self.prepare(act, node, &scene).await.build().unwrap());
        }
        // Whoever is told of a session by another node asks the store, so that none waits for a cache.
        let client = reqwest::Client::new();
        let send_with = |number: usize, token: Option<HeaderValue>| {
            let mut request = requests[number].try_clone().unwrap();
            if let Some(token) = token {
                request.headers_mut().insert(AUTHORIZATION, token);
            }
            let client = client.clone();
            async move {
                let answer = client.execute(request).await.unwrap();
                let status = answer.status();
                assert!(!status.is_server_error(), "{status}");
                (status.is_success(), answer.text().await.unwrap())
            }
        };
        let send = |number: usize| send_with(number, None);
        let refused = || (false, String::new());
        let [first, second] = match meeting {
            Meeting::AtOnce => {
                let mut answers = race::at_once(2, send).await;
                let second = answers.pop().unwrap();
                [answers.pop().unwrap(), second]
            }
            Meeting::FirstThenSecond => {
                let first = send(0).await;
                [first, send(1).await]
            }
            Meeting::SecondThenFirst => {
                let second = send(1).await;
                [send(0).await, second]
            }
            Meeting::FirstThenRenewedSecond => {
                let first = send(0).await;
                let token = renewed(&requests[1], &first.1);
                [first, send_with(1, token).await]
            }
            Meeting::SecondThenRenewedFirst => {
                let second = send(1).await;
                let token = renewed(&requests[0], &second.1);
                [send_with(0, token).await, second]
            }
            Meeting::FirstAlone => [send(0).await, refused()],
            Meeting::SecondAlone => [refused(), send(1).await],
        };
        let after = self.state(&scene.person.id).await;
        let left = scene.before.iter().zip(&after).map(|(before, after)| {
            let is_changed = if before == after {
                "as before"
            } else {
                "changed"
            };
            match after.split_once('=') {
                // A digest is another one each time.
                Some((name, _)) if name.ends_with('#') => format!("{name}{is_changed}"),
                _ => after.clone(),
            }
        });
        // By the refresh token, which is judged by the store and by no cache.
        let mut tokens = [None; 2];
        for (counts, (_, answer)) in tokens.iter_mut().zip([&first, &second]) {
            if let Some(refresh) = token_of(answer, "refresh_token") {
                *counts = Some(self.bed.app.refresh(&refresh).await.status == 200);
            }
        }
        Outcome {
            done: [first.0, second.0],
            tokens,
            left: left.collect(),
            answers: vec![first.1, second.1],
        }
    }
}

fn token_of(answer: &str, kind: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let token = answer["data"]["tokens"][kind].as_str()?;
    Some(token.to_owned())
}

/// The token of an answer, for a request that came with one.
fn renewed(request: &Request, answer: &str) -> Option<HeaderValue> {
    request.headers().get(AUTHORIZATION)?;
    let token = token_of(answer, "access_token")?;
    Some(HeaderValue::from_str(&format!("Bearer {token}")).unwrap())
}
