//! Passwords appear nowhere, whatever fails and at any log level.

use std::fs;

use crate::service::program::{ask, builder, remaining};
use testkit::pages::page;
use testkit::{
    echo, eventually,
    ports::free_port,
    process::{Builder, Tollgate},
    redis::Redis,
};

const RIGHT: &str = "correct-horse-battery";
const WRONG: &str = "wrong-horse-battery";

/// Everything that it has logged or shows.
async fn all(tollgate: &Tollgate) -> String {
    let mut all = tollgate.log().join("\n");
    for (listener, path) in
        [("metrics", "/metrics"), ("debug", "/stats"), ("debug", "/rlconfig"), ("http", "/healthcheck")]
    {
        all.push_str(&page(tollgate, listener, path).await);
    }
    all
}

/// The ways to configure a password for `gate`.
fn ways(port: u16, password: &str, file: &std::path::Path) -> [Builder; 3] {
    fs::write(file, format!("gate:{password}\n")).expect("a file");
    // hyper logs most
    let loud = || builder().env("LOG_LEVEL", "trace").env("RUST_LOG", "trace").env("HTTP2_SERVER", "hyper");
    let url = format!("redis://127.0.0.1:{port}");
    [
        loud().env("REDIS_URL", format!("redis://gate:{password}@127.0.0.1:{port}")),
        loud().env("REDIS_URL", &url).env("REDIS_AUTH", format!("gate:{password}")),
        loud().env("REDIS_URL", &url).env("REDIS_AUTH_FILE", file),
    ]
}

#[tokio::test]
async fn no_password_is_revealed() {
    let redis = Redis::start(&[]);
    redis.cli(&["ACL", "SETUSER", "gate", "on", &format!(">{RIGHT}"), "~*", "+@all"]);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("password");

    for way in ways(redis.port, RIGHT, &file) {
        let tollgate = way.start();
        remaining(&tollgate, &["year"]).await;
        let text = all(&tollgate).await;
        assert!(text.contains("\"level\":\"trace\""), "the log level is trace");
        assert!(!text.contains(RIGHT), "{text}");
    }
    for way in ways(redis.port, WRONG, &file) {
        let tollgate = way.start();
        eventually("a refusal in the log", async || tollgate.logged("WRONGPASS").pop()).await;
        let failure = ask(&tollgate, &["year"]).await.expect_err("the password is wrong");
        let text = all(&tollgate).await + &format!("{failure:?}");
        assert!(!text.contains(WRONG), "{text}");
    }
    for way in ways(free_port(), RIGHT, &file) {
        let tollgate = way.start();
        let failure = ask(&tollgate, &["year"]).await.expect_err("there is no server");
        let text = all(&tollgate).await + &format!("{failure:?}");
        assert!(!text.contains(RIGHT), "{text}");
    }
}

#[tokio::test]
async fn a_rejected_setting_does_not_reveal_its_password() {
    let settings = [
        ("REDIS_URL", format!("redis://gate:{RIGHT}@127.0.0.1:notaport")),
        ("REDIS_URL", format!("redis://gate:{RIGHT}@127.0.0.1:6379/notanumber")),
        ("REDIS_URL", format!("gopher://gate:{RIGHT}@127.0.0.1:6379")),
        ("REDIS_URL", format!("redis://gate:{RIGHT}%zz@127.0.0.1:6379")),
        ("REDIS_URL", format!("redis://gate:{RIGHT}/x@127.0.0.1:6379")),
        ("REDIS_URL", format!("redis://127.0.0.1:6379?password={RIGHT}&db=x")),
        ("REDIS_URL", format!("gate,redis://:{RIGHT}@127.0.0.1:6379")),
    ];
    for (name, value) in settings {
        let mut tollgate = builder().env(name, &value).spawn();
        assert_eq!(tollgate.exit().code(), Some(2), "{name}={value}");
        let text = eventually("its reason", async || {
            let text = tollgate.log().join("\n");
            text.contains(name).then_some(text)
        })
        .await;
        assert!(!text.contains(RIGHT), "{text}");
    }
}

#[tokio::test]
async fn a_warning_does_not_reveal_the_password_that_it_is_about() {
    let tollgate = builder()
        .env("REDIS_URL", format!("redis://gate:{RIGHT}@127.0.0.1:1?password={RIGHT}2&x={RIGHT}#{RIGHT}"))
        .env("REDIS_AUTH", format!("gate:{WRONG}\n"))
        .spawn();
    let text = eventually("its warnings", async || {
        let text = tollgate.log().join("\n");
        let warnings =
            ["REDIS_AUTH replaces", "REDIS_AUTH ends with a newline", "REDIS_URL has parameters", "before the @"];
        warnings.iter().all(|warning| text.contains(warning)).then_some(text)
    })
    .await;
    assert!(!text.contains(RIGHT) && !text.contains(WRONG), "{text}");
}

/// Hiding a password in answers to AUTH does not change other errors, which are recognised by their words.
#[tokio::test]
async fn a_password_that_is_a_redis_error_word_does_no_harm() {
    for password in ["script", "noscript", "command", "unknown", "password", "ping", "err"] {
        let redis = Redis::start(&[]);
        redis.cli(&["CONFIG", "SET", "requirepass", password]);
        let tollgate =
            builder().env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port)).env("REDIS_AUTH", password).start();
        remaining(&tollgate, &["year"]).await;
    }
}

/// Checks that a server that rejects AUTH with this text causes the password to appear nowhere.
async fn nothing_reveals(password: &str, refuse: echo::Refuse, type_and_auth: &[(&str, String)]) -> String {
    let port = echo::start(refuse);
    let mut builder = builder().env("LOG_LEVEL", "trace").env("RUST_LOG", "trace");
    for (name, value) in type_and_auth {
        builder = builder.env(name, value.replace("PORT", &port.to_string()));
    }
    let tollgate = builder.start();
    eventually("a refusal in the log", async || tollgate.logged("cannot connect to redis").pop()).await;
    let failure = ask(&tollgate, &["year"]).await.expect_err("the login is rejected");
    let text = all(&tollgate).await + &page(&tollgate, "http", "/readyz").await + &format!("{failure:?}");
    // eight consecutive bytes of a password are too many
    let parts = password.as_bytes().chunks(8).filter(|part| part.len() == 8);
    for part in parts.map(|part| std::str::from_utf8(part).expect("ASCII")) {
        assert!(!text.contains(part), "{part}: {text}");
    }
    page(&tollgate, "http", "/healthcheck").await
}

#[tokio::test]
async fn a_server_that_repeats_the_password_is_not_quoted() {
    let long: String = (0..40).map(|number| format!("k{number:02}Zq")).collect();
    let hard = "cor\"rect\\horse battery'staple";
    for refuse in [echo::as_unknown, echo::quoted, echo::shortened] as [echo::Refuse; 3] {
        for (password, auth) in [
            (RIGHT, format!("gate:{RIGHT}")),
            (RIGHT, RIGHT.to_owned()),
            (&*long, format!("gate:{long}")),
            (hard, format!("gate:{hard}")),
        ] {
            let url = ("REDIS_URL", "127.0.0.1:PORT".to_owned());
            let health = nothing_reveals(password, refuse, &[url, ("REDIS_AUTH", auth)]).await;
            if refuse as usize == echo::as_unknown as echo::Refuse as usize {
                assert!(health.contains("ERR unknown command 'AUTH'"), "{health}");
                assert!(health.contains("this Redis takes no password: leave it out"), "{health}");
            } else {
                assert!(health.contains("(hidden)"), "{health}");
            }
        }
    }
    for (refuse, part) in [
        (echo::as_unknown as echo::Refuse, "this sentinel takes no password: leave it out of REDIS_SENTINEL_AUTH"),
        (echo::quoted, "(hidden)"),
    ] {
        let sentinels = ("REDIS_URL", "m,127.0.0.1:PORT".to_owned());
        let auth = ("REDIS_SENTINEL_AUTH", format!("gate:{RIGHT}"));
        let health = nothing_reveals(RIGHT, refuse, &[("REDIS_TYPE", "SENTINEL".to_owned()), sentinels, auth]).await;
        assert!(health.contains(part), "{health}");
    }
}
