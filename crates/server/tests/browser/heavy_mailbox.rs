//! The page of the development mailbox, in Chromium.

use serde_json::{Value, json};

use crate::{driver::Browser, site::Service};

/// Asks the page until `condition` holds, and answers with what it then is.
async fn until(browser: &Browser, condition: &str) -> Value {
    let promise = format!(
        "new Promise(found => {{ const look = () => {{ const it = {condition}; \
         it ? found(it) : setTimeout(look, 20) }}; look() }})"
    );
    browser.eval(&promise, &[]).await
}

#[tokio::test]
async fn the_mailbox_shows_what_was_sent_and_finds_and_copies_the_code() {
    let data = tempfile::tempdir().unwrap();
    let service = Service::start(data.path(), &["http://localhost:1"]).await;
    service.register("ada@example.com").await;
    service.register("bob@example.com").await;
    let ada = service.code_sent_to("ada@example.com").await;
    let bob = service.code_sent_to("bob@example.com").await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/dev/mailbox", service.api)).await;

    // The newest message is first, and open.
    let rows = "[...document.querySelectorAll('#messages button')].map(row => row.textContent)";
    let listed = until(&browser, &format!("({rows}.length === 2) && {rows}")).await;
    assert!(
        listed[0].as_str().unwrap().contains("bob@example.com"),
        "{listed}"
    );
    assert!(
        listed[1].as_str().unwrap().contains("ada@example.com"),
        "{listed}"
    );
    let code = "document.querySelector('#code').textContent";
    assert_eq!(browser.eval(code, &[]).await, json!(bob));

    // The mail is shown as it looks, and may run nothing.
    let frame = "(({srcdoc, sandbox, hidden}) => ({srcdoc, hidden, scripts: sandbox.contains('allow-scripts')}))\
                 (document.querySelector('#html'))";
    let frame = browser.eval(frame, &[]).await;
    assert!(frame["srcdoc"].as_str().unwrap().contains(&bob), "{frame}");
    assert_eq!(
        (&frame["hidden"], &frame["scripts"]),
        (&json!(false), &json!(false))
    );

    // A search narrows it down, and what it finds is open.
    let search = "(async text => { const box = document.querySelector('#search'); box.value = text; \
                  box.dispatchEvent(new Event('input')) })(...given)";
    browser.eval(search, &[json!("ADA@")]).await;
    until(
        &browser,
        &format!("{rows}.length === 1 && {code} === '{ada}'"),
    )
    .await;
    let copied = "(async () => { document.querySelector('#copy').click(); })()";
    browser.eval(copied, &[]).await;
    until(
        &browser,
        "document.querySelector('#copy').textContent === 'Copied'",
    )
    .await;
    browser.eval(search, &[json!("nobody at all")]).await;
    until(
        &browser,
        "document.querySelector('#state').textContent === 'No messages'",
    )
    .await;
    assert_eq!(
        browser
            .eval("document.querySelector('#message').hidden", &[])
            .await,
        json!(true)
    );

    // What arrives while the page is open appears by itself.
    browser.eval(search, &[json!("")]).await;
    service.register("eve@example.com").await;
    until(
        &browser,
        &format!("{rows}.length === 3 && {rows}[0].includes('eve@example.com')"),
    )
    .await;

    browser.close().await;
    service.stop().await;
}
