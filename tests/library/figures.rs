//! The committed figures are what the code draws.

#[allow(unreachable_pub)]
#[path = "../../examples/plot_algorithms.rs"]
mod plot_algorithms;
#[allow(unreachable_pub)]
#[path = "../../examples/plot_scale.rs"]
mod plot_scale;

use std::{fs, path::Path};

fn assert_committed(folder: &Path, figures: Vec<(&str, String)>, example: &str) {
    for (name, drawn) in figures {
        let path = folder.join(name);
        let committed = fs::read_to_string(&path).expect("the figure is committed");
        assert!(
            committed.replace("\r\n", "\n") == drawn,
            "{} is stale: run `cargo run --example {example}`",
            path.display()
        );
    }
}

#[test]
fn the_figures_are_those_of_this_code() {
    assert_committed(&plot_algorithms::folder(), plot_algorithms::figures(), "plot_algorithms");
}

#[test]
fn the_plots_are_those_of_what_was_measured() {
    assert_committed(&plot_scale::folder(), plot_scale::figures(), "plot_scale");
}
