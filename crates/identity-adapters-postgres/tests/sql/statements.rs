//! How many statements each port method takes: what the budgets of routes are made of.

use authentication_app::ports::{
    AccountQueries as _, ChallengeQueries as _, DeviceQueries as _, EventQueue as _, LeaseToken,
    LinkKind, Maintenance as _, MessageQueue as _, NoticeQueries as _, SessionQueries as _,
    UnitOfWorkFactory as _,
};
use authentication_domain::{challenges::Purpose, sessions::RotationRules};
use common::page::PageRequest;
use testkit::{
    TestDatabase,
    builders::{
        id, new_account, new_challenge, new_session, sign_in_question, subject, token_digest,
        uuid_at,
    },
    clock::START,
};
use time::Duration;

use crate::store_on;

testkit::on_every_engine! {
    async fn each_question_is_one_statement(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        let owner = new_account();
        let account = owner.record.account.id;
        let session = new_session(account);
        let challenge = new_challenge(&owner.index, Purpose::SignIn);
        let mut unit = store.begin().await.unwrap();
        unit.accounts().insert(&owner).await.unwrap();
        assert_eq!(store.statements(), 6);
        unit.sessions().begin(&session, 50).await.unwrap();
        assert_eq!(store.statements(), 8);
        unit.devices().remember(account, id(), 20, START).await.unwrap();
        assert_eq!(store.statements(), 10);
        unit.challenges().insert(&challenge).await.unwrap();
        unit.commit().await.unwrap();
        let mut so_far = store.statements();
        assert_eq!(so_far, 11, "neither BEGIN nor COMMIT counts");

        let mut one_more = |what: &str| {
            so_far += 1;
            assert_eq!(store.statements(), so_far, "{what}");
        };
        store.sign_in_record(sign_in_question(&owner.index, Some(id()))).await.unwrap();
        one_more("sign_in_record");
        store.credentials_of(account).await.unwrap();
        one_more("credentials_of");
        store.find_by_subject(owner.index.subject).await.unwrap();
        one_more("find_by_subject");
        store.find_challenge(challenge.digest, Some(id()), START).await.unwrap();
        one_more("find_challenge");
        store.find_reset_link(token_digest()).await.unwrap();
        one_more("find_reset_link");
        store.find_dispatch(subject(), Purpose::SignIn).await.unwrap();
        one_more("find_dispatch");
        store.find_snapshot(session.id, START).await.unwrap();
        one_more("find_snapshot");
        let page = PageRequest::new(None, None).unwrap();
        store.list_sessions(account, &page, START).await.unwrap();
        one_more("list_sessions");
        store.find_notice_link(token_digest(), LinkKind::NotMe, START).await.unwrap();
        one_more("find_notice_link");
        store.list_devices(account, session.id).await.unwrap();
        one_more("list_devices");
        store.rotate(session.id, 0, RotationRules::default(), START).await.unwrap();
        one_more("rotate");
        let token = LeaseToken(uuid_at(START));
        store.lease_messages(10, token, Duration::MINUTE, START).await.unwrap();
        one_more("lease_messages");
        store.event_backlog().await.unwrap();
        one_more("event_backlog");
        store.ping().await.unwrap();
        assert_eq!(store.statements(), so_far, "nor does a ping");
    }
}
