//! The Redis store with real servers: the contract, the commands it sends, and how failures of Redis affect the counts.

mod batching;
mod contract;
mod failover;
mod faults;
mod halves;
mod hygiene;
mod load;
mod plain;
mod stores;
