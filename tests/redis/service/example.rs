//! The first commands in docs/redis.md, as a reader types them.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use testkit::redis::Redis;

/// Parses `NAME=value … command argument …`.
fn parsed(line: &str) -> (BTreeMap<&str, &str>, Vec<&str>) {
    let words: Vec<_> = line.split(' ').collect();
    let first = words.iter().position(|word| !word.contains('=')).expect("a command");
    let environment = words[..first].iter().map(|word| word.split_once('=').expect("an assignment")).collect();
    (environment, words[first..].to_vec())
}

#[tokio::test]
async fn two_processes_count_as_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/redis.md")).expect("the page");
    let block = page.split("```sh\n").nth(1).expect("the first lines").split("\n```").next().expect("an end");
    let lines: Vec<_> = block.lines().collect();
    let [server, first, second, "sleep 1", checks @ ..] = &lines[..] else { panic!("{block}") };
    assert_eq!(*server, "redis-server --port 6379 --save '' &");
    let redis = Redis::start(&[]);

    let mut services = BTreeMap::new();
    for line in [first, second] {
        let (environment, words) = parsed(line.strip_suffix(" &").expect("it goes on"));
        assert_eq!(words, ["tollgate", "--rules", "config/rules"]);
        assert_eq!(environment["REDIS_URL"], "redis://localhost:6379");
        let port = environment.get("GRPC_PORT").copied().unwrap_or("8081");
        let tollgate = testkit::tollgate!()
            .env("REDIS_URL", format!("redis://localhost:{}", redis.port))
            .arg("--rules")
            .arg(root.join("config/rules"))
            .start();
        tollgate.connected_to_redis().await;
        services.insert(port, tollgate);
    }
    assert_eq!(checks.len(), 2);
    for (line, left) in checks.iter().zip(["9 of 10", "8 of 10"]) {
        let (_, words) = parsed(line);
        let ["tollgate", "check", address, ..] = words[..] else { panic!("{line}") };
        let port = address.strip_prefix("localhost:").expect("this machine");
        let address = services[port].address("grpc").to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        let output = command.arg("check").arg(address).args(&words[3..]).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains(left), "{line}: {text}");
    }
}
