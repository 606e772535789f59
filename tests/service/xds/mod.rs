//! Rules over xDS: the whole program against an ADS server that each test plays, message by message.

mod changes;
mod defaults;
mod floods;
mod independent;
mod protocol;
mod scale;
mod service;
mod slow;
mod tls;
mod trouble;
