//! The contract of the store, on both engines.

use std::sync::Arc;

use authentication_app::ports::IdentityStore;
use identity_adapters_postgres::{Store, StoreConfig};
use testkit::TestDatabase;

#[expect(clippy::expect_used, reason = "without a store there is no test")]
async fn store_on(database: &TestDatabase) -> Arc<dyn IdentityStore> {
    let store = Store::connect(&StoreConfig::new(database.url())).await;
    Arc::new(store.expect("the test database answers"))
}

mod embedded {
    use super::{Arc, IdentityStore, TestDatabase, store_on};

    async fn store() -> (Arc<dyn IdentityStore>, TestDatabase) {
        let database = TestDatabase::sqlite().await;
        (store_on(&database).await, database)
    }

    testkit::store_contract!(store);
}

mod production {
    use super::{Arc, IdentityStore, TestDatabase, store_on};

    async fn store() -> (Arc<dyn IdentityStore>, TestDatabase) {
        let database = TestDatabase::postgres().await;
        (store_on(&database).await, database)
    }

    testkit::store_contract!(store);
}
