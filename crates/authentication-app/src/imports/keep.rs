//! Storing a batch of people, in one unit of work.

use std::collections::HashMap;

use authentication_domain::accounts::{AccountId, LegacyId};

use super::{Candidate, Imports, Refusal, seal::Sealed};
use crate::{
    ports::{ImportClaim, ImportedUser, StoreError},
    retry::retrying,
};

/// The options of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Roll back everything, and only report each result.
    pub dry_run: bool,
    /// Publish no events.
    pub silent: bool,
}

/// The result for one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Their account was created.
    Imported(AccountId),
    /// They were imported before, from an identical row.
    AlreadyThere(AccountId),
    /// No account was created.
    Refused(Refusal),
}

impl Imports {
    /// Stores those who are new, all in one unit of work, and returns a result for each, in order. Concurrent
    /// attempts (another import, a registration of the same address) result in one account.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is stored, unless the outcome of the commit is unknown. Either way, the
    /// same batch can be stored again.
    #[tracing::instrument(skip_all, fields(people = batch.len()))]
    pub async fn keep(
        &self,
        batch: &[Candidate],
        manner: Manner,
    ) -> Result<Vec<Outcome>, StoreError> {
        let ids: Vec<LegacyId> = batch.iter().map(|it| it.legacy_id.clone()).collect();
        let mut told = Told::of(&self.ports.store.find_imported(&ids).await?, batch);
        let now = self.ports.clock.now();
        let new: Vec<(usize, Sealed)> = told
            .open()
            .map(|(number, candidate)| (number, self.seal(candidate, now)))
            .collect();
        if !new.is_empty() {
            let claims = retrying(|| self.write(&new, manner)).await?;
            let mut late = Vec::new();
            for ((number, sealed), claim) in new.iter().zip(claims) {
                let account = sealed.user.account.record.account.id;
                match claim {
                    ImportClaim::Inserted => told.settle(*number, Outcome::Imported(account)),
                    ImportClaim::IdentifierTaken => {
                        told.settle(*number, Outcome::Refused(Refusal::IdentifierTaken));
                    }
                    ImportClaim::IdentityTaken => {
                        told.settle(*number, Outcome::Refused(Refusal::IdentityTaken));
                    }
                    ImportClaim::IdKnown => late.push(sealed.user.legacy_id.clone()),
                }
            }
            // A concurrent import stored them between this one's read and write.
            told.look_up(&self.ports.store.find_imported(&late).await?);
        }
        told.outcomes()
    }

    async fn write(
        &self,
        new: &[(usize, Sealed)],
        manner: Manner,
    ) -> Result<Vec<ImportClaim>, StoreError> {
        let users: Vec<_> = new.iter().map(|(_, sealed)| sealed.user.clone()).collect();
        let mut unit = self.ports.store.begin().await?;
        let claims = unit
            .imports()
            .insert(&users, self.ports.clock.now())
            .await?;
        if manner.dry_run {
            return Ok(claims);
        }
        let inserted = || {
            let pairs = new.iter().zip(&claims);
            pairs.filter(|(_, claim)| **claim == ImportClaim::Inserted)
        };
        let entries: Vec<_> = inserted().map(|((_, it), _)| it.entry.clone()).collect();
        unit.audit().append(&entries).await?;
        if !manner.silent {
            let events: Vec<_> = inserted().map(|((_, it), _)| it.event.clone()).collect();
            unit.outbox().append_events(&events).await?;
        }
        unit.commit().await?;
        Ok(claims)
    }
}

/// What is known about a batch so far. Of two rows with the same id, the first is imported and the other is
/// compared with it.
struct Told<'a> {
    batch: &'a [Candidate],
    outcomes: Vec<Option<Outcome>>,
    first: HashMap<&'a LegacyId, usize>,
}

impl<'a> Told<'a> {
    fn of(known: &HashMap<LegacyId, ImportedUser>, batch: &'a [Candidate]) -> Self {
        let mut first = HashMap::new();
        for (number, candidate) in batch.iter().enumerate() {
            first.entry(&candidate.legacy_id).or_insert(number);
        }
        let mut told = Self {
            batch,
            outcomes: vec![None; batch.len()],
            first,
        };
        told.look_up(known);
        told
    }

    /// The first rows of people without a result.
    fn open(&self) -> impl Iterator<Item = (usize, &'a Candidate)> {
        let numbered = self.batch.iter().enumerate();
        numbered.filter(|(number, candidate)| {
            let is_first = self.first.get(&candidate.legacy_id) == Some(number);
            is_first && self.outcomes.get(*number).is_some_and(Option::is_none)
        })
    }

    fn look_up(&mut self, known: &HashMap<LegacyId, ImportedUser>) {
        for (candidate, outcome) in self.batch.iter().zip(&mut self.outcomes) {
            if let Some(user) = known.get(&candidate.legacy_id) {
                let same = user.fingerprint == candidate.fingerprint;
                *outcome = Some(again(user.account, same));
            }
        }
    }

    fn settle(&mut self, number: usize, outcome: Outcome) {
        if let Some(place) = self.outcomes.get_mut(number) {
            *place = Some(outcome);
        }
    }

    /// # Errors
    /// [`StoreError::Retryable`] when a person imported concurrently has since been erased.
    fn outcomes(self) -> Result<Vec<Outcome>, StoreError> {
        let numbered = self.batch.iter().zip(&self.outcomes);
        numbered
            .map(|(candidate, outcome)| {
                outcome
                    .or_else(|| self.after_first(candidate))
                    .ok_or(StoreError::Retryable)
            })
            .collect()
    }

    fn after_first(&self, candidate: &Candidate) -> Option<Outcome> {
        let number = *self.first.get(&candidate.legacy_id)?;
        let same = self.batch.get(number)?.fingerprint == candidate.fingerprint;
        match (*self.outcomes.get(number)?)? {
            Outcome::Imported(account) | Outcome::AlreadyThere(account) => {
                Some(again(account, same))
            }
            refused if same => Some(refused),
            Outcome::Refused(_) => Some(Outcome::Refused(Refusal::ChangedSince)),
        }
    }
}

const fn again(account: AccountId, same: bool) -> Outcome {
    if same {
        Outcome::AlreadyThere(account)
    } else {
        Outcome::Refused(Refusal::ChangedSince)
    }
}
