//! The committed plots match the committed measurements.

use std::fs;

use bench::plot;

#[test]
fn the_plots_match_the_measurements() {
    for (name, drawn) in plot::figures().expect("measurements") {
        let path = plot::folder().join(name);
        let committed = fs::read_to_string(&path).expect("the plot is committed");
        assert!(
            committed.replace("\r\n", "\n") == drawn,
            "{} is stale: run `cargo run -p bench -- plot`",
            path.display()
        );
    }
}
