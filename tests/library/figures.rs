//! The committed figures equal those that the code draws.

#[allow(unreachable_pub)]
#[path = "../../examples/plot_algorithms.rs"]
mod plot_algorithms;

use std::fs;

#[test]
fn the_figures_are_those_of_this_code() {
    for (name, drawn) in plot_algorithms::figures() {
        let path = plot_algorithms::folder().join(name);
        let committed = fs::read_to_string(&path).expect("the figure is committed");
        assert!(
            committed.replace("\r\n", "\n") == drawn,
            "{} is stale: run `cargo run --example plot_algorithms`",
            path.display()
        );
    }
}
