//! `users reset-factors`, as operators use it. What becomes of it later shows
//! `authentication-app/tests/app/factor_resets.rs`.

use crate::users_import::place::Place;

testkit::on_every_engine! {
    async fn operators_ask_for_it_once_and_call_it_off(engine: Engine) {
        let place = Place::new(engine).await;
        let account = place.import_one();
        let ask = [account.as_str(), "--reason", "ticket 4711"];
        let call_off = [account.as_str(), "--cancel"];
        for (arguments, told) in [
            (&call_off[..], "nothing was asked for\n"),
            (&ask, "asked for; the owner is told within minutes, and then the waiting time begins\n"),
            (&ask, "asked for before; the owner was not told yet\n"),
            (&call_off, "called off\n"),
            (&call_off, "nothing was asked for\n"),
            (&ask, "called off a moment ago; ask again in ten minutes\n"),
        ] {
            let (status, said, why) = place.users("reset-factors", arguments);
            assert_eq!((status, said.as_str()), (Some(0), told), "{arguments:?}: {why}");
        }
        assert_eq!(place.database.count("factor_resets").await, 1);
    }

    async fn nobody_and_no_reason_are_refused(engine: Engine) {
        let place = Place::new(engine).await;
        let nobody = "01936f4e-8e5c-7b1a-9c1d-0c6a3a1f2b3c";
        let (status, said, why) = place.users("reset-factors", &[nobody, "--reason", "ticket 4711"]);
        assert_eq!((status, said.as_str()), (Some(1), ""));
        assert!(why.contains("there is no such account, or its owner closed it"), "{why}");
        for arguments in [
            &[][..],
            &[nobody],
            &["ada@example.com", "--reason", "ticket 4711"],
            &[nobody, "--reason", "ada@example.com asked for it"],
            &[nobody, "--reason", ""],
            &[nobody, "--reason", "ticket 4711", "--cancel"],
        ] {
            assert_eq!(place.users("reset-factors", arguments).0, Some(2), "{arguments:?}");
        }
        assert_eq!(place.database.count("factor_resets").await, 0);
    }
}
