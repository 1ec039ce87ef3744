//! Looking at the database now and then, so that what is wrong with it is in the log and in the metrics also where
//! nobody asks whether the node is ready.

use std::{sync::Arc, time::Duration};

use authentication_app::ports::StoreError;
use identity_adapters_postgres::Store;
use tokio::time::sleep;

use crate::workers::{Stop, Workers};

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long an answer may take before the database counts as busy.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn keep_looking(store: &Arc<Store>, workers: &mut Workers) {
    let store = Arc::clone(store);
    workers.supervise("database", move |stop| watch(Arc::clone(&store), stop));
}

async fn watch(store: Arc<Store>, mut stop: Stop) -> Result<(), StoreError> {
    loop {
        // Whatever is found, the store has told the log of it and keeps it for the metrics.
        store.condition(PATIENCE).await;
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = sleep(LOOK_EVERY) => {}
        }
    }
}
