//! One transaction across many repositories.

use authentication_app::ports::{StoreError, UniqueRule};

use super::{
    Inspect, Store,
    support::{SignUp, assert_recorded, begin, retrying},
};
use crate::{
    builders::new_account,
    race::{RIVALS, fifty_at_once},
};

pub async fn a_commit_shows_everything_at_once(store: Store, inspect: &dyn Inspect) {
    let sign_up = SignUp::new();
    let mut unit = begin(&store).await;
    sign_up.write(unit.as_mut()).await.unwrap();
    // Readers neither see the changes nor wait for them.
    assert!(!sign_up.is_there(&store).await);
    assert_recorded(inspect, 0).await;
    unit.commit().await.unwrap();
    assert!(sign_up.is_there(&store).await);
    assert_recorded(inspect, 1).await;
}

pub async fn a_dropped_unit_leaves_nothing(store: Store, inspect: &dyn Inspect) {
    let sign_up = SignUp::new();
    let mut unit = begin(&store).await;
    sign_up.write(unit.as_mut()).await.unwrap();
    drop(unit);
    assert!(!sign_up.is_there(&store).await);
    assert_recorded(inspect, 0).await;
    sign_up.commit(&store).await.expect("it was never there");
    assert!(sign_up.is_there(&store).await);
    assert_recorded(inspect, 1).await;
}

pub async fn a_conflict_undoes_its_unit_and_no_other(store: Store, inspect: &dyn Inspect) {
    let first = SignUp::new();
    first.commit(&store).await.unwrap();
    let second = SignUp::new();
    let mut unit = begin(&store).await;
    second.write(unit.as_mut()).await.unwrap();
    let mut rival = new_account();
    rival.index = first.account.index.clone();
    let refused = unit.accounts().insert(&rival).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict(UniqueRule::Identifier))),
        "{refused:?}"
    );
    drop(unit);
    assert!(first.is_there(&store).await);
    assert!(!second.is_there(&store).await);
    assert_recorded(inspect, 1).await;
}

pub async fn units_that_are_begun_and_dropped_cost_nothing(store: Store, inspect: &dyn Inspect) {
    for _ in 0..200 {
        drop(begin(&store).await);
    }
    SignUp::new()
        .commit(&store)
        .await
        .expect("connections are left");
    assert_recorded(inspect, 1).await;
}

pub async fn fifty_units_at_once_all_commit(store: Store, inspect: &dyn Inspect) {
    let sign_ups = fifty_at_once(|_| {
        let store = store.clone();
        async move {
            let sign_up = SignUp::new();
            retrying(|| sign_up.commit(&store))
                .await
                .expect("nobody is in the way");
            sign_up
        }
    })
    .await;
    for sign_up in &sign_ups {
        assert!(sign_up.is_there(&store).await);
    }
    assert_recorded(inspect, RIVALS).await;
}
