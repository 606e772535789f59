//! The independent suite h2spec, run against a server that answers any call immediately.
use std::{path::Path, process::Stdio, sync::Arc};

use crate::support::{frames::PREFACE, handler::TestHandler};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::Command,
};
use wire::{Buffers, Config, Served};

/// Cases that may fail, each with its reason.
const ALLOWED: &[(&str, &str)] = &[];

/// How many seconds h2spec waits for an answer, on a busy machine.
const PATIENCE: &str = "20";

async fn serve(listener: TcpListener) {
    let (config, buffers) = (Arc::new(Config::default()), Buffers::default());
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let (config, buffers) = (Arc::clone(&config), buffers.clone());
        tokio::spawn(async move {
            let mut preface = [0; PREFACE.len()];
            let is_read = stream.read_exact(&mut preface).await.is_ok();
            if is_read && preface == *PREFACE {
                let _ = Served::new(stream, TestHandler::default(), &config, &buffers).await;
            } else {
                // closing with unread bytes would reset the connection
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        });
    }
}

/// The failed cases of a JUnit report, by section and description, and the number of cases.
fn failures(report: &str) -> (Vec<String>, usize) {
    let attribute = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let cases: Vec<_> = report.split("<testcase ").skip(1).collect();
    let failed = cases.iter().filter(|case| case.contains("<failure") || case.contains("<error"));
    let names = failed.map(|case| {
        let case = format!(" {case}");
        let part = |name| attribute(&case, name).unwrap_or_default();
        format!("{}: {}", part("package"), part("classname"))
    });
    (names.collect(), cases.len())
}

#[tokio::test]
async fn h2spec_passes() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/parts/bin/h2spec");
    assert!(program.exists(), "{} is missing: `bash tests/run.sh` installs it", program.display());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let server = tokio::spawn(serve(listener));
    let report = std::env::temp_dir().join(format!("h2spec-{}.xml", std::process::id()));
    // some cases need a response with DATA
    let output = Command::new(program)
        .args(["--strict", "--port", &port, "--path", "/sized/100", "--timeout", PATIENCE, "--junit-report"])
        .arg(&report)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("it starts");
    server.abort();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let xml = std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("no report: {error}\n{stdout}"));
    let _ = std::fs::remove_file(&report);
    let (failed, cases) = failures(&xml);
    let allowed: Vec<_> = ALLOWED.iter().map(|(case, _)| (*case).to_owned()).collect();
    println!("h2spec: {} of {cases} cases pass", cases - failed.len());
    assert!(cases >= 140, "{cases} cases\n{stdout}");
    assert_eq!(failed, allowed, "of {cases} cases\n{stdout}");
}
