//! The whole program behind proxies that shard keys over two Redises: a limit holds, whatever shares a request with it.

mod contract;
mod counts;
mod found;
mod groups;
mod shards;
