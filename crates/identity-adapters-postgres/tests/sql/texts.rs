//! No value is ever part of a statement's text (OWASP ASVS 5.0 V1.2.4).

use std::collections::BTreeSet;

use testkit::{Engine, TestDatabase};

use crate::{everything::ask_everything, observer::Statements, store_on};

/// Each question and each write of the store twice, the second time with other ids, digests, ciphertexts and
/// tokens, in another database. Were one of them pasted into a text, there would be other texts.
#[tokio::test]
async fn no_value_is_part_of_a_statement_on_sqlite() {
    assert_texts_are_constant(Engine::Embedded).await;
}

/// The same statements by the other dialect.
#[tokio::test]
async fn no_value_is_part_of_a_statement_on_postgres() {
    assert_texts_are_constant(Engine::Production).await;
}

async fn assert_texts_are_constant(engine: Engine) {
    let (first, second) = (texts_of_all(engine).await, texts_of_all(engine).await);
    assert!(first.len() > 40, "{first:#?}");
    let differing: Vec<_> = first.symmetric_difference(&second).collect();
    assert!(differing.is_empty(), "{differing:#?}");
    for text in first {
        assert!(!holds_an_id(&text), "{text}");
    }
}

async fn texts_of_all(engine: Engine) -> BTreeSet<String> {
    let database = TestDatabase::start(engine).await;
    let store = store_on(&database).await;
    let (statements, guard) = Statements::on_this_thread();
    ask_everything(&store).await;
    drop(guard);
    statements.texts().into_iter().collect()
}

/// A run of digits and letters a to f that is as long as half an id, whatever it is written in.
fn holds_an_id(text: &str) -> bool {
    text.split(|letter: char| !letter.is_ascii_hexdigit())
        .any(|run| run.len() >= 16 && run.contains(|letter: char| letter.is_ascii_digit()))
}
