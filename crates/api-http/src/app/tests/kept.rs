//! Documents that clients cache and revalidate.

use super::*;

const COUNTRIES: &str = "/api/v1/countries";

#[actix_web::test]
async fn the_list_of_countries_may_be_kept_for_an_hour_and_is_asked_after_by_its_tag() {
    let test = TestState::new().await;
    let first = ask(&test, get(COUNTRIES)).await;
    assert_eq!(first.status.as_u16(), 200);
    assert_eq!(first.header("cache-control"), "public, max-age=3600");
    assert_eq!(
        first.header("content-type"),
        "application/json; charset=utf-8"
    );
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");

    let same_again = [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        "*".to_owned(),
    ];
    for had in same_again {
        let answer = ask(
            &test,
            get(COUNTRIES).insert_header(("if-none-match", had.clone())),
        )
        .await;
        assert_eq!(answer.status.as_u16(), 304, "{had}");
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("etag"), tag);
        assert_eq!(answer.header("cache-control"), "public, max-age=3600");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    for had in ["\"other\"", "junk", ""] {
        let answer = ask(&test, get(COUNTRIES).insert_header(("if-none-match", had))).await;
        assert_eq!(answer.status.as_u16(), 200, "{had:?}");
        assert_eq!(answer.body, first.body);
    }
}

#[actix_web::test]
async fn what_was_found_has_a_tag_of_its_own() {
    let test = TestState::new().await;
    let tag = async |query: &str| {
        let answer = ask(&test, get(&format!("{COUNTRIES}{query}"))).await;
        answer.header("etag").to_owned()
    };
    let (all, nigeria) = (tag("").await, tag("?q=nigeria").await);
    assert_ne!(all, nigeria);
    assert_eq!(tag("?q=").await, all, "nothing typed finds all");
    assert_eq!(tag("?q=%20").await, all);
    assert_eq!(tag("?q=nigeria").await, nigeria);
    let had = get("/api/v1/countries?q=nigeria").insert_header(("if-none-match", nigeria));
    assert_eq!(ask(&test, had).await.status.as_u16(), 304);
}
