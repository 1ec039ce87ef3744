//! Messages that this release cannot read.

use authentication_app::ports::{
    LeaseToken, LeasedMessages, MessageKind, MessageOrder, MessageQueue as _, ParkedMessages as _,
    Recipient, StoreError, UnitOfWorkFactory as _,
};
use authentication_domain::challenges::Purpose;
use identity_adapters_postgres::Store;
use testkit::{
    TestDatabase,
    builders::{id, message_order, nonce, subject, uuid_at},
    clock::START,
};
use time::Duration;
use uuid::Uuid;

use crate::store_on;

async fn queue(store: &Store, kind: MessageKind) -> Uuid {
    let recipient = match kind {
        MessageKind::Code { .. } => Recipient::Subject(subject()),
        _ => Recipient::Account(id()),
    };
    let order: MessageOrder = message_order(kind, recipient, START);
    let mut unit = store.begin().await.unwrap();
    unit.outbox().append_message(&order).await.unwrap();
    unit.commit().await.unwrap();
    order.id
}

fn code() -> MessageKind {
    MessageKind::Code {
        purpose: Purpose::SignIn,
        nonce: nonce(),
    }
}

async fn lease(store: &Store) -> LeasedMessages {
    let token = LeaseToken(uuid_at(START));
    let leased = store.lease_messages(10, token, Duration::MINUTE, START);
    leased.await.unwrap()
}

fn ids(leased: &LeasedMessages) -> Vec<Uuid> {
    let messages = leased.messages.iter();
    messages.map(|message| message.order.id).collect()
}

testkit::on_every_engine! {
    async fn what_a_later_release_queued_is_left_to_it(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        queue(&store, MessageKind::SignInLocked).await;
        queue(&store, code()).await;
        database.execute("UPDATE outbox_messages SET kind = 'of_later' WHERE nonce IS NULL").await;
        database.execute("UPDATE outbox_messages SET purpose = 'of_later' WHERE kind = 'code'").await;
        let ours = queue(&store, MessageKind::PasswordChanged).await;
        let leased = lease(&store).await;
        assert_eq!(ids(&leased), [ours]);
        assert!(leased.unreadable.is_empty(), "{leased:?}");
        assert_eq!(database.count("outbox_messages WHERE attempts = 0").await, 2);
        // Whoever looks sees them by their names.
        database
            .execute("UPDATE outbox_messages SET next_attempt_at = NULL WHERE attempts = 0")
            .await;
        let parked = store.list_parked_messages(None, 10).await.unwrap();
        let mut named: Vec<_> =
            parked.iter().map(|it| (it.kind.as_str(), it.purpose.as_deref())).collect();
        named.sort_unstable();
        assert_eq!(named, [("code", Some("of_later")), ("of_later", None)]);
    }

    async fn a_message_that_cannot_be_read_holds_up_no_other(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        let broken = queue(&store, code()).await;
        database.execute("UPDATE outbox_messages SET request_id = ''").await;
        let whole = queue(&store, code()).await;
        let leased = lease(&store).await;
        assert_eq!(ids(&leased), [whole]);
        assert_eq!(leased.unreadable.len(), 1);
        let (held, error) = leased.unreadable.first().unwrap();
        assert_eq!(held.id, broken);
        let is_corrupt = matches!(error, StoreError::Corrupt { column: "request_id", .. });
        assert!(is_corrupt, "{error:?}");
        assert!(store.finish_message(*held).await.unwrap(), "it is held");
    }
}
