//! Follows the steps of docs/drop-in.md for Istio's sample literally. There is no cluster: this simulates what the
//! steps need of kubectl, on the sample's Deployment and ConfigMap, and runs the Deployment as a container while its
//! image is ours. The reference cannot be run here; the way back is complete if its Deployment is unchanged and its
//! Redis as it was left.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::drop_in::{
    isolation::{self, Isolation},
    istio::{self, answers, denies_the_second},
    manifest::{Deployment, amend},
    pod::Pod,
    running::Running,
};
use testkit::{eventually, rls::client};

const PAGE: &str = include_str!("../../../docs/drop-in.md");

/// The code blocks in a language, below a heading.
pub fn blocks(heading: &str, language: &str) -> Vec<&'static str> {
    let (_, section) = PAGE.split_once(&format!("## {heading}, step by step\n")).expect("the section");
    let (section, _) = section.split_once("\n## ").expect("its end");
    let begin = format!("```{language}\n");
    section.split(&begin).skip(1).map(|block| block.split_once("```").expect("its end").0).collect()
}

/// The lines in the code blocks of the steps.
pub fn steps(heading: &str) -> Vec<&'static str> {
    blocks(heading, "sh").into_iter().flat_map(str::lines).collect()
}

/// Parses a line like a shell: words, some of them quoted, and the file to which output is redirected.
pub fn words(line: &str) -> (Vec<String>, Option<String>) {
    let (line, file) = match line.split_once(" > ") {
        Some((line, file)) => (line, Some(file.to_owned())),
        None => (line, None),
    };
    (line.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect(), file)
}

/// The state of the simulated cluster.
struct Cluster {
    isolation: Isolation,
    deployment: Value,
    config_map: Value,
    redis: SocketAddr,
    running: Option<(Running, Pod)>,
    /// The working directory of the reader.
    desk: TempDir,
}

impl Cluster {
    fn container(&mut self) -> &mut Value {
        &mut self.deployment["spec"]["template"]["spec"]["containers"][0]
    }

    fn running(&self) -> &Running {
        &self.running.as_ref().expect("ours runs").0
    }

    /// Runs one of the reader's own programs.
    fn at_the_desk(&self, program: &str, arguments: &[&str]) -> String {
        succeeded(Command::new(program).args(arguments).current_dir(self.desk.path()).output().expect("it runs"))
    }

    async fn kubectl(&mut self, command: &[&str]) -> String {
        match command {
            ["get", "deployment", "ratelimit", "--output", "jsonpath={.spec.template}"] => {
                self.deployment["spec"]["template"].to_string()
            }
            ["get", "configmap", "ratelimit-config", "--output", r"jsonpath={.data.config\.yaml}"] => {
                self.config_map["data"]["config.yaml"].as_str().expect("rules").to_owned()
            }
            ["set", "image", "deployment/ratelimit", change] => {
                let (name, image) = change.split_once('=').expect("an image");
                assert_eq!(self.container()["name"], name);
                self.container()["image"] = image.into();
                String::new()
            }
            ["set", "env", "deployment/ratelimit", changes @ ..] => {
                changes.iter().for_each(|change| self.set(change));
                String::new()
            }
            ["rollout", "status", "deployment/ratelimit"] => {
                self.roll_out().await;
                String::new()
            }
            ["exec", "deployment/ratelimit", "--", program @ ..] => {
                let program: Vec<_> = program.iter().map(|&word| word.to_owned()).collect();
                // on a machine busy with other tests an answer may take longer than REDIS_TIMEOUT
                eventually(&format!("{program:?} to succeed"), async || {
                    let output = self.running().execute(&program);
                    let late = String::from_utf8_lossy(&output.stderr).contains("Unavailable");
                    (!late).then(|| succeeded(output))
                })
                .await
            }
            ["logs", "deployment/ratelimit"] => self.running().tollgate.log().join("\n"),
            other => panic!("kubectl {other:?} is not supported by this simulation"),
        }
    }

    /// `NAME=value`, or `NAME-` to remove it.
    fn set(&mut self, change: &str) {
        let all = self.container()["env"].as_array_mut().expect("an environment");
        match change.split_once('=') {
            Some((name, value)) => all.push(json!({"name": name, "value": value})),
            None => all.retain(|one| one["name"] != change.strip_suffix('-').expect("NAME-")),
        }
    }

    /// `Recreate`: the old pod ends, then the new one starts, and runs if its image is ours.
    async fn roll_out(&mut self) {
        if let Some((old, _pod)) = self.running.take() {
            assert_eq!(old.stop().await, Some(0));
        }
        let deployment = Deployment::new(self.deployment.clone());
        if deployment.image().contains("tollgate") {
            let mut pod = istio::pod(self.isolation, deployment);
            pod.knows("redis", 6379, self.redis);
            let running = pod.start();
            answers(&running, 8080, "/healthcheck").await;
            self.running = Some((running, pod));
        }
    }
}

pub fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

async fn is_followed(isolation: Isolation) {
    let mut deployment = istio::deployment();
    let (host, port) = ("redis", 6379);
    let address = Pod::new(isolation, Deployment::new(deployment.clone())).neighbour(host, port);
    let redis = istio::redis_at(address, &[]);
    // the counts of the reference
    redis.cli(&["SET", "echo-ratelimit_PATH_/_1790000000", "1", "EX", "1000"]);
    deployment["status"] = json!({});
    let mut cluster = Cluster {
        isolation,
        deployment: deployment.clone(),
        config_map: istio::config_map(),
        redis: address,
        running: None,
        desk: tempfile::tempdir().expect("a directory"),
    };

    let mut roll_outs = 0;
    for line in steps("Istio's sample") {
        println!("$ {line}");
        let (words, file) = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = match words.as_slice() {
            ["kubectl", command @ ..] => cluster.kubectl(command).await,
            ["tollgate", arguments @ ..] => cluster.at_the_desk(env!("CARGO_BIN_EXE_tollgate"), arguments),
            ["diff", arguments @ ..] => cluster.at_the_desk("diff", arguments),
            other => panic!("{other:?} is not supported by this simulation"),
        };
        match words.as_slice() {
            ["kubectl", "rollout", ..] => {
                roll_outs += 1;
                denies_the_second(&mut client(cluster.running().at(8081))).await;
            }
            ["kubectl", "logs", ..] => assert!(!said.contains("no effect"), "{said}"),
            ["kubectl", "exec", .., "health"] => assert_eq!(said, "OK\n"),
            ["kubectl", "exec", .., "PATH=/status"] => {
                assert!(said.starts_with("OK\n") && said.contains("of 100 per minute"), "{said}");
            }
            ["tollgate", "validate", ..] => {
                assert!(said.ends_with("ok: 1 file, 1 domain, 2 rules\n"), "{said}");
                // about the pitfall in the sample, as the page says, and about nothing else
                let warnings: Vec<&str> = said.lines().filter(|line| line.starts_with("warning")).collect();
                assert_eq!(warnings.len(), 1, "{said}");
                assert!(warnings[0].contains("PATH, without a value: each value has its own counter"), "{said}");
            }
            ["diff", ..] => assert_eq!(said, ""),
            ["tollgate", "explain", ..] => assert!(said.contains("1 per minute"), "{said}"),
            _ => {}
        }
        if let Some(file) = file {
            fs::write(cluster.desk.path().join(file), said).expect("written");
        }
    }
    assert_eq!(roll_outs, 2, "with the image, and with what is new");

    // the way back
    assert_eq!(cluster.deployment, deployment);
    cluster.roll_out().await;
    assert!(cluster.running.is_none(), "ours has ended, and the reference's image does not run here");
    assert_eq!(redis.cli(&["GET", "echo-ratelimit_PATH_/_1790000000"]), "1");
    for key in redis.cli(&["KEYS", "*"]).lines() {
        let left: i64 = redis.cli(&["TTL", key]).parse().expect("seconds");
        assert!(left >= 0 || left == -2, "{key} never expires");
    }
}

/// The patch that mounts a file of defaults, applied to the sample, whose own rules set no algorithm.
#[test]
fn the_sample_takes_a_file_of_defaults() {
    isolation::within(async |isolation| {
        let [patch] = blocks("Istio's sample", "yaml").try_into().expect("one patch");
        let patch: Value = yaml_serde::from_str(patch).expect("YAML");
        let patch = &patch["spec"]["template"]["spec"];
        let mut deployment = istio::deployment();
        let pod = &mut deployment["spec"]["template"]["spec"];
        amend(&mut pod["volumes"], &patch["volumes"]);
        let (container, changes) = (&mut pod["containers"][0], &patch["containers"][0]);
        assert_eq!(container["name"], changes["name"]);
        for list in ["env", "volumeMounts"] {
            amend(&mut container[list], &changes[list]);
        }
        let mut pod = istio::pod(isolation, Deployment::new(deployment));
        pod.fill("ratelimit-defaults", &[("defaults.yaml", include_str!("../../../config/defaults.yaml"))]);
        let _redis = istio::redis_at(pod.neighbour("redis", 6379), &[]);
        let running = pod.start();
        let rules = answers(&running, 6070, "/rlconfig").await;
        assert_eq!(rules.matches("algorithm: sliding_window").count(), 2, "{rules}");
        assert_eq!(running.stop().await, Some(0));
    });
}

#[test]
fn the_guide_is_followed_on_the_sample_and_back() {
    isolation::within(is_followed);
}

#[test]
fn the_guide_is_followed_without_namespaces() {
    isolation::run(Isolation::Rewritten, is_followed);
}
