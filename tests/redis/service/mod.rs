//! The complete program with Redis: what it counts and where, what it reports, and that it reveals no secrets.

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
