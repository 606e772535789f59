//! The whole program on Redis: what it counts and where, what it says of itself, and what it keeps to itself.

mod acl;
mod counts;
mod example;
mod failure;
mod late_costs;
mod program;
mod ready;
mod scrape;
mod secrets;
mod shutdown;
mod starts;
mod startup;
mod topologies;
mod urls;
mod wrong_replies;
