//! One address, as one client sees it: the configuration that its connections share, and whether the server counts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    contact::Member,
    health::Health,
    plan::{Plan, Target},
    proof::{Charging, Proof, Unproven},
    wire::{Running, Wire},
};

/// Whether the server at an address counts, as far as this client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not counted yet, for no lasting reason: not tried, not reached, or not ready.
    Unknown,
    /// It refuses to count until an operator corrects the setup.
    Refused,
    /// It has counted over a connection of this client. This is final.
    Proven,
}

/// An address, and what this client knows of it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) plan: Arc<Plan>,
    pub(super) target: Target,
    pub(super) health: Arc<Health>,
    pub(super) proof: Proof,
    /// The client's entry among those of the endpoint.
    member: Arc<Member>,
    standing: AtomicU8,
    /// Whether the last attempt to connect failed.
    fails: AtomicBool,
}

impl Peer {
    pub(super) fn new(
        plan: &Arc<Plan>,
        target: &Target,
        health: &Arc<Health>,
        proof: Proof,
        member: &Arc<Member>,
    ) -> Arc<Self> {
        let (plan, target, health, member) = (Arc::clone(plan), target.clone(), Arc::clone(health), Arc::clone(member));
        let standing = AtomicU8::new(Standing::Unknown as u8);
        Arc::new(Self { plan, target, health, proof, member, standing, fails: AtomicBool::new(false) })
    }

    /// Whether the server counts, as far as this client knows.
    pub(super) fn standing(&self) -> Standing {
        match self.standing.load(Relaxed) {
            refused if refused == Standing::Refused as u8 => Standing::Refused,
            proven if proven == Standing::Proven as u8 => Standing::Proven,
            _ => Standing::Unknown,
        }
    }

    /// Whether a call that finds no connection should wait for one: not if the last attempt failed.
    pub(super) fn may_connect(&self) -> bool {
        !self.fails.load(Relaxed) && !self.health.is_down()
    }

    /// Makes a connection and proves that its server counts. The error is for an operator, and contains no credentials.
    pub(super) async fn open(&self) -> Result<(Wire, Running), Box<str>> {
        let opened = self.connect().await;
        self.fails.store(opened.is_err(), Relaxed);
        opened
    }

    async fn connect(&self) -> Result<(Wire, Running), Box<str>> {
        let (wire, running) = match Wire::open(&self.plan, &self.target).await {
            Ok(opened) => opened,
            // the reason may be a rejected login, for which a cure is known
            Err(reason) => {
                let unproven = self.proof.refused(&reason);
                self.refuse(&unproven);
                return Err(unproven.to_string().into());
            }
        };
        match self.charge(&wire, self.plan.patience()).await {
            Ok(true) => self.prove(),
            Ok(false) => {}
            Err(unproven) => {
                self.refuse(&unproven);
                return Err(unproven.to_string().into());
            }
        }
        Ok((wire, running))
    }

    /// Charges counters of the [`Proof`] over this connection.
    pub(super) async fn charge(&self, wire: &Wire, patience: Duration) -> Result<bool, Unproven> {
        self.proof.charge(&Charging { wire, health: &self.health, plan: &self.plan, patience }).await
    }

    fn prove(&self) {
        self.standing.store(Standing::Proven as u8, Relaxed);
        self.health.proven();
        // a client of a cluster counts when all its nodes do
        if !self.proof.has_slots() {
            self.member.counts();
        }
    }

    fn refuse(&self, unproven: &Unproven) {
        if self.standing() != Standing::Proven {
            let sticky = unproven.is_sticky(self.proof.has_slots());
            let standing = if sticky { Standing::Refused } else { Standing::Unknown };
            self.standing.store(standing as u8, Relaxed);
        }
    }
}
