//! Checks the database periodically, so that its problems appear in the log and the metrics even if readiness is
//! never queried.

use std::{sync::Arc, time::Duration};

use authentication_app::ports::StoreError;
use identity_adapters_postgres::Store;
use tokio::time::sleep;

use crate::workers::{Stop, Workers};

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The time after which a database that does not answer counts as busy.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn keep_looking(store: &Arc<Store>, workers: &mut Workers) {
    let store = Arc::clone(store);
    workers.supervise("database", move |stop| watch(Arc::clone(&store), stop));
}

async fn watch(store: Arc<Store>, mut stop: Stop) -> Result<(), StoreError> {
    loop {
        // The result is not needed: the store logs it and keeps it for the metrics.
        store.condition(PATIENCE).await;
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = sleep(LOOK_EVERY) => {}
        }
    }
}
