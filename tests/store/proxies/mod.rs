//! The complete program behind proxies that shard keys over two Redises: a limit holds whatever other counters a
//! request has.

mod contract;
mod counts;
mod found;
mod groups;
mod shards;
