//! The Redis store against real servers: the contract, what Redis is asked, and what its trouble does to the counts.

mod batching;
mod contract;
mod failover;
mod faults;
mod halves;
mod hygiene;
mod load;
mod stores;
