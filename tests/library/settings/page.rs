//! `docs/settings.md` equals what the table of variables generates. `BLESS=1` writes it.

use std::fs;
use std::path::Path;

#[test]
fn the_page_is_generated_from_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let generated = tollgate::settings::markdown();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&page, &generated).expect("docs/settings.md is writable");
    }
    let committed = fs::read_to_string(&page).expect("docs/settings.md exists");
    assert!(committed == generated, "docs/settings.md is stale: run `BLESS=1 cargo test --test library settings`");
}
