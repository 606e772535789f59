//! Assembles the files of `lua/`, at the top of the repository, to the one script that Redis runs.

use std::{env, error::Error, fs, path::Path};

/// In the order in which they use each other. The first answers small calls before the others define anything.
const SCRIPT: [&str; 7] = ["early", "meter", "fixed_window", "sliding_window", "token_bucket", "group", "driver"];

const FOLDER: &str = "../../lua";

/// Writes `script.lua`, and its SHA1 as Redis names it into the variable `TOLLGATE_SCRIPT_SHA1`.
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={FOLDER}");
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    let mut script = String::new();
    for name in SCRIPT {
        let file = format!("{FOLDER}/{name}.lua");
        let part = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        // comments are for the reader of the files; the server keeps the script in memory
        for line in part.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--")) {
            script.push_str(line);
            script.push('\n');
        }
    }
    fs::write(Path::new(&out).join("script.lua"), &script)?;
    println!("cargo:rustc-env=TOLLGATE_SCRIPT_SHA1={}", sha1_smol::Sha1::from(script).digest());
    Ok(())
}
