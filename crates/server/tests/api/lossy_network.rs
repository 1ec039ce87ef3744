//! A month on a bad line: answers get lost, come twice or late, and an honest client stays signed in; a thief who
//! keeps in step with it is found.

use testkit::random::SeededRandom;

use crate::{
    answer::Answer,
    app::TestApp,
    person::{Person, Tokens},
};

const SEEDS: [u64; 3] = [1, 2, 3];
const DAY: i64 = 86_400;
/// The absolute limit of a session is a month.
const DAYS: i64 = 29;

/// How somebody comes back.
#[derive(Debug, Clone, Copy)]
enum Habit {
    /// Three hours a day, a refresh every ten minutes.
    AllDay,
    /// Once.
    OnceADay,
}

impl Habit {
    const ALL: [Self; 2] = [Self::AllDay, Self::OnceADay];

    /// The pauses of one day.
    fn pauses(self) -> Vec<i64> {
        match self {
            Self::AllDay => {
                let mut pauses = vec![600; 17];
                pauses.push(DAY - 17 * 600);
                pauses
            }
            Self::OnceADay => vec![DAY],
        }
    }
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    ArrivesTwice,
    /// Behind the answer to the next request: a client that does not look keeps the older token.
    ArrivesLate,
    Lost,
}

/// A client that keeps one refresh token, and repeats itself until it has an answer.
struct Client<'a> {
    app: &'a TestApp,
    random: SeededRandom,
    device: String,
    token: String,
    /// The answer that is still on its way.
    late: Option<String>,
}

impl<'a> Client<'a> {
    fn of(app: &'a TestApp, person: &Person, seed: u64) -> Self {
        Self {
            app,
            random: SeededRandom::new(seed),
            device: person.device_token.clone(),
            token: person.tokens.refresh.clone(),
            late: None,
        }
    }

    fn one_in(&self, many: u64) -> bool {
        self.random.next_u64().is_multiple_of(many)
    }

    #[expect(
        clippy::same_functions_in_if_condition,
        reason = "each call draws anew"
    )]
    fn fate(&self) -> Fate {
        if self.one_in(20) {
            Fate::Lost
        } else if self.one_in(20) {
            Fate::ArrivesTwice
        } else if self.one_in(200) {
            Fate::ArrivesLate
        } else {
            Fate::Arrives
        }
    }

    /// Soon, as a rule; one in five times the train is in a tunnel, or the site's server starts again.
    fn pause(&self) -> i64 {
        if self.one_in(5) {
            *self.random.pick(&[15, 60, 900, 3_600])
        } else {
            *self.random.pick(&[1, 2, 4])
        }
    }

    async fn present(&self) -> Answer {
        self.app.refresh_from(&self.device, &self.token).await
    }

    /// Refreshes until an answer arrives; the refusal, if that is what it is.
    async fn come_back(&mut self) -> Result<(), Answer> {
        loop {
            let was_lost_on_its_way = self.one_in(50);
            if was_lost_on_its_way {
                self.app.advance_seconds(self.pause());
                continue;
            }
            let fate = self.fate();
            let mut answer = self.present().await;
            if matches!(fate, Fate::ArrivesTwice) && answer.status == 200 {
                // A proxy on the way repeated the request.
                answer = self.present().await;
            }
            match fate {
                Fate::Lost if answer.status == 200 => {
                    self.app.advance_seconds(self.pause());
                }
                _ if answer.status == 200 => {
                    let next = Tokens::of(&answer).refresh;
                    self.token = self.late.take().unwrap_or_else(|| next.clone());
                    if matches!(fate, Fate::ArrivesLate) {
                        self.late = Some(next);
                    }
                    return Ok(());
                }
                _ => return Err(answer),
            }
        }
    }
}

/// When the thief acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thief {
    AfterTheOwner,
    BeforeTheOwner,
    WithoutTheDevice,
}

/// How often a thief with a copy of what a client holds used it until the session was ended.
async fn uses_until_found(app: &TestApp, habit: Habit, thief: Thief, seed: u64) -> usize {
    let person = app.register_person().await;
    let mut owner = Client::of(app, &person, seed);
    for _ in 0..5 {
        app.advance_seconds(3_600);
        owner.come_back().await.unwrap();
    }
    let mut stolen = owner.token.clone();
    owner.late = None;
    let mut uses = 0;
    loop {
        for pause in habit.pauses() {
            app.advance_seconds(pause - 120);
            for turn in 0..2 {
                // Further apart than the grace time.
                app.advance_seconds(60);
                let is_thiefs_turn = (turn == 0) == (thief == Thief::BeforeTheOwner);
                let answer = if is_thiefs_turn {
                    uses += 1;
                    if thief == Thief::WithoutTheDevice {
                        app.refresh(&stolen).await
                    } else {
                        app.refresh_from(&person.device_token, &stolen).await
                    }
                } else {
                    owner.present().await
                };
                if answer.status != 200 {
                    answer.assert_problem(401, "refresh_token_reused");
                    owner
                        .present()
                        .await
                        .assert_problem(401, "invalid_refresh_token");
                    return uses;
                }
                let next = Tokens::of(&answer).refresh;
                if is_thiefs_turn {
                    stolen = next;
                } else {
                    owner.token = next;
                }
            }
        }
    }
}

testkit::on_every_engine! {
    async fn an_honest_client_on_a_bad_line_is_never_signed_out(engine: Engine) {
        let app = TestApp::start(engine).await;
        for seed in SEEDS {
            for habit in Habit::ALL {
                let person = app.register_person().await;
                let mut client = Client::of(&app, &person, seed);
                for day in 0..DAYS {
                    for pause in habit.pauses() {
                        app.advance_seconds(pause);
                        let back = client.come_back().await;
                        assert!(back.is_ok(), "seed {seed}, {habit:?}, day {day}: {back:?}");
                    }
                }
            }
        }
        let forgiven = app.audit_outcomes("session.refresh_forgiven").await.len();
        assert!(forgiven > 5, "a line that loses nothing shows nothing: {forgiven}");
        assert!(app.audit_outcomes("session.refresh_reuse").await.is_empty());
    }

    async fn a_thief_in_step_is_found_within_five_uses(engine: Engine) {
        let app = TestApp::start(engine).await;
        for seed in SEEDS {
            for habit in Habit::ALL {
                for thief in [Thief::AfterTheOwner, Thief::BeforeTheOwner] {
                    let uses = uses_until_found(&app, habit, thief, seed).await;
                    assert!(uses <= 5, "seed {seed}, {habit:?}, {thief:?}: {uses} uses");
                }
                let uses = uses_until_found(&app, habit, Thief::WithoutTheDevice, seed).await;
                assert_eq!(uses, 1, "seed {seed}, {habit:?}: without the device at once");
            }
        }
    }
}
