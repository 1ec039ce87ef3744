//! The two database engines that everything must run on.

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// SQLite in a file, the default of the service.
    Embedded,
    /// PostgreSQL.
    Production,
}

impl Engine {
    /// Both engines.
    pub const ALL: [Self; 2] = [Self::Embedded, Self::Production];

    /// The name in test modules and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Production => "production",
        }
    }
}

/// Makes one test per engine of each function, so that a suite is written only once: `embedded::name` and
/// `production::name`. To be used once per module, with all its functions.
///
/// ```
/// testkit::on_every_engine! {
///     /// What the fact is about.
///     async fn a_new_database_is_empty(engine: Engine) {
///         let database = testkit::TestDatabase::start(engine).await;
///         assert_eq!(database.count("accounts").await, 0);
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_every_engine {
    ($($(#[$attribute:meta])* async fn $name:ident($engine:ident: Engine) $body:block)+) => {
        $($(#[$attribute])* async fn $name($engine: $crate::Engine) $body)+

        mod embedded {
            $(#[test]
            fn $name() {
                $crate::runtime::run(super::$name($crate::Engine::Embedded));
            })+
        }

        mod production {
            $(#[test]
            fn $name() {
                $crate::runtime::run(super::$name($crate::Engine::Production));
            })+
        }
    };
}
