//! What the use cases need from outside, as traits (ports).
//!
//! A port states a contract, not an implementation. Each has one contract suite in `testkit` that every adapter
//! passes. Ports that wait are `async`; the cryptographic ones are pure computation and are not.

mod accounts;
mod attempts;
mod audit;
mod cache;
mod challenges;
mod crypto;
mod error;
mod event_queue;
mod event_sink;
mod factor_resets;
mod federation;
mod foreign_hashes;
mod idempotency;
mod identity_provider;
mod imports;
mod key_stages;
mod letters;
mod message_queue;
mod messages;
mod meter;
mod notices;
mod outbox;
mod passkeys;
mod password_hasher;
mod rekeying;
mod relying_party;
mod restores;
mod second_factors;
mod sessions;
mod shared_time;
mod throttle;
mod token_signer;
mod unit_of_work;

pub use accounts::{
    AccountQueries, AccountRecord, AccountRepository, IdentifierSwap, MovesSeen, NewAccount,
    SignInQuestion, SignInRecord, Wallet,
};
pub use attempts::{
    AttemptLedger, Cleared, CountedGuess, DeviceQueries, DeviceRepository, DeviceSummary,
    FailureScope, Guess, TriesScope,
};
pub use audit::{AuditRecord, AuditTrail};
pub use cache::{
    CacheError, Invalidation, KnownSession, LoadTicket, RevocationChannel, SessionCache,
};
pub use challenges::{
    ChallengeQueries, ChallengeRecord, ChallengeRepository, CodeDispatch, LiveChallenge,
    NewChallenge, QuotaGrant, ResetLinkRecord, SendRequest, TriesUsed,
};
pub use crypto::{
    DataKey, FieldContext, IdentifierIndex, IndexEntry, IndexKeys, Macs, OpenError, Sealed,
    ServicePurpose, Subject, Vault, WrappedKey,
};
pub use error::{Outage, StoreError, UniqueRule};
pub use event_queue::{
    DestinationBacklog, EventQueue, Lease, LeaseRequest, LeasedEvent, ParkedEvent, ParkedSelection,
    SwitchedOff, SwitchedOn,
};
pub use event_sink::{EventSink, OutgoingEvent, SinkError};
pub use factor_resets::{FactorReset, FactorResetQueries, FactorResetRepository};
pub use federation::{
    ClaimedFlow, FederatedIdentityRecord, FederationQueries, FederationQuestion, FederationRecord,
    FederationRepository, FlowReturn, NewFederatedIdentity, NewFlow, NewNonce, NonceUse,
};
pub use foreign_hashes::{ForeignHashes, HashRefused};
pub use idempotency::{IdempotencyKey, IdempotencyLedger, IdempotencyRecord};
pub use identity_provider::{
    AuthorizationRequest, CodeGrant, IdentityProvider, ProviderError, ProviderRefusal,
};
pub use imports::{ImportClaim, ImportQueries, ImportRepository, ImportedUser, NewImport};
pub use key_stages::{KeySection, KeyState, KeySummary};
pub use letters::{
    Letter, LetterKind, LetterWriter, OwnerLink, ResetLink, UnwritableLetter, WrittenLetter,
};
pub use message_queue::{
    Ceiling, CeilingClaim, GiveBack, HeldMessage, LeaseToken, LeasedMessage, LeasedMessages,
    MessageCeilings, MessageQueue, ParkedMessage, ParkedMessages,
};
pub use messages::{Channel, DeliveryError, LONGEST_SENDING, Message, MessageSender};
pub use meter::{
    Backlog, CodeOutcome, CodePurpose, DeliveryOutcome, EventTarget, Label, Measure,
    MessageChannel, Meter, NoMeter, NoticeOutcome, QueueName, RefreshOutcome, RegistrationOutcome,
    SignInMethod, SignInOutcome,
};
pub use notices::{
    Closing, Gathered, LinkKind, NewNoticeLink, NoticeLink, NoticeQueries, NoticeRepository,
    NoticedAct, TakenBack, previous_field,
};
pub use outbox::{EventEnvelope, MessageKind, MessageOrder, Outbox, Recipient};
pub use passkeys::{
    CeremonyQuestion, CeremonyRecord, NewCeremony, PasskeyQueries, PasskeyRecord,
    PasskeyRepository, PasskeyUse,
};
pub use password_hasher::{HashError, PasswordHasher, Verification};
pub use rekeying::{
    Batch, Dependents, Indexed, KeyTask, RekeyingQueries, RekeyingRepository, Rewrapped,
    ServiceKeyRecord, SubjectWindows, TaskProgress, Unindexed,
};
pub use relying_party::{
    AllowedCredential, AssertionAnswer, AttestationAnswer, BegunCeremony, CeremonyFault,
    EnrolledCredential, EnrolmentSubject, RelyingParty, RelyingPartyFailed,
};
pub use restores::{
    Restore, Revocation, RevocationStore, RevokedSession, SelectedSessions, SessionSelection,
    Voided,
};
pub use second_factors::{
    NewPendingSignIn, PendingSignInRecord, SecondFactorQueries, SecondFactorRepository, TotpCodes,
    TotpEnrolment, TotpRecord, TotpState,
};
pub use sessions::{
    CaughtUp, EndedSession, ForgivenSession, NewSession, RotatedSession, SessionQueries,
    SessionRepository, SessionSnapshot, SessionSummary,
};
pub use shared_time::{SharedTime, Ticks, TimeStore};
pub use throttle::{Throttle, ThrottleKey, ThrottleOutcome, ThrottleRequest};
pub use token_signer::{InvalidToken, SigningFailed, TokenSigner};
pub use unit_of_work::{IdentityStore, Maintenance, UnitOfWork, UnitOfWorkFactory};
