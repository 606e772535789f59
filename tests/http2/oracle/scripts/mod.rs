//! The library of scripts, by subject.

mod blocks;
mod control;
mod fields;
mod heads;
mod lengths;
mod messages;
mod protobuf;
mod sections;
mod services;
mod settings;
mod streams;

use super::script::Script;

/// All of them.
pub fn all() -> Vec<Script> {
    [
        messages::scripts(),
        protobuf::scripts(),
        heads::scripts(),
        fields::scripts(),
        lengths::scripts(),
        services::scripts(),
        sections::scripts(),
        blocks::scripts(),
        streams::scripts(),
        control::scripts(),
        settings::scripts(),
    ]
    .concat()
}
