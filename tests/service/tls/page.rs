//! The first lines of docs/tls.md, as a reader would type them.

use std::{fs, path::Path, process::Command};

#[tokio::test]
async fn the_page_s_commands_do_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/tls.md")).expect("the page");
    let blocks: Vec<_> =
        page.split("```sh\n").skip(1).map(|rest| rest.split("\n```").next().expect("an end")).collect();
    let [certificates, commands] = blocks[..] else { panic!("{blocks:#?}") };
    let directory = tempfile::tempdir().expect("a directory");
    let made = Command::new("bash").args(["-euc", certificates]).current_dir(&directory).output().expect("bash runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let commands = commands.replace("\\\n", " ");
    let commands: Vec<Vec<_>> = commands.lines().map(|line| line.split_whitespace().collect()).collect();
    let [serve, wait, check, refused] = &commands[..] else { panic!("{commands:#?}") };
    assert_eq!(wait[..], ["sleep", "1"]);
    let mut builder = testkit::tollgate!();
    for (name, value) in serve.iter().map_while(|word| word.split_once('=')) {
        let file = directory.path().join(value);
        builder = if file.exists() { builder.env(name, file) } else { builder.env(name, value) };
    }
    assert_eq!(serve[serve.len() - 4..], ["tollgate", "--rules", "config/rules", "&"]);
    let tollgate = builder.arg("--rules").arg(root.join("config/rules")).start();
    let run = |words: &[&str]| {
        let local = format!("localhost:{}", tollgate.address("grpc").port());
        let words = words.iter().skip(1).map(|word| if *word == "localhost:8081" { &local } else { *word });
        let output = Command::new(env!("CARGO_BIN_EXE_tollgate")).args(words).current_dir(&directory).output();
        let output = output.expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, printed) = run(check);
    assert!(code == Some(0) && printed.contains("9 of 10"), "{printed}");
    let (code, printed) = run(refused);
    assert!(code == Some(2) && printed.contains("CertificateRequired"), "{printed}");
}
