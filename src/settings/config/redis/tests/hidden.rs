//! Passwords in addresses are not shown.

use super::*;
use crate::settings::redis::url::redacted;

#[test]
fn no_password_of_an_address_is_shown() {
    for (url, shown) in [
        ("h:1", "h:1"),
        ("/run/redis.sock", "/run/redis.sock"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("redis://h:1/2", "redis://h:1/2"),
        ("redis://me:hunter2@h:1", "redis://(hidden)@h:1"),
        ("redis://me:hun@ter2@h:1", "redis://(hidden)@h:1"),
        ("me:hunter2@h:1", "(hidden)@h:1"),
        ("redis://me:hunter2", "redis://(hidden)"),
        ("redis://:hunter2/0", "redis://(hidden)"),
        ("redis://h:1?password=hunter2", "redis://h:1?(hidden)"),
        ("redis-sentinel://me:hunter2@a,b:1/m", "redis-sentinel://(hidden)@a,b:1/m"),
        ("redis://h:1?db=hunter2", "redis://h:1?(hidden)"),
        ("redis://h:1/0#hunter2", "redis://h:1/0#(hidden)"),
        ("m,h:1,[::1]:2", "m,h:1,[::1]:2"),
        ("::1:6379", "::1:6379"),
        ("redis", "redis"),
        ("./redis.sock", "./redis.sock"),
        // the scheme is missing, or half of it
        ("redis//:hunter2", "(hidden)"),
        ("redis:/me:hunter2@h:1/0", "(hidden)@h:1/0"),
        ("me:hunter2", "(hidden)"),
        ("me:hunter2:6379", "(hidden)"),
        ("m,me:hunter2", "(hidden)"),
        // no host has these characters
        ("h.example:6380,password=hunter2=,ssl=True,abortConnect=False", "(hidden)"),
        ("h.example,password=hunter2", "(hidden)"),
        ("h:1 hunter2=", "(hidden)"),
        ("server=h;password=hunter2", "(hidden)"),
        ("h:1/password=hunter2", "(hidden)"),
        ("h\nhunter2", "(hidden)"),
        ("m,h:1,password=hunter2", "(hidden)"),
        ("--hunter2=x", "(hidden)"),
        ("redis-sentinel://h1/hunter2@x/1", "redis-sentinel://(hidden)@x/1"),
        ("/tmp/x.sock?password=hunter2", "/tmp/x.sock?(hidden)"),
        // lists of URLs
        ("m,redis://:hunter2@a:1,redis://b:2", "m,redis://(hidden)@a:1,redis://b:2"),
        ("m,a:1,redis://:hun@ter2@b:1", "m,a:1,redis://(hidden)@b:1"),
        ("m,redis://a:1,redis://b:2", "m,redis://a:1,redis://b:2"),
        ("m,redis://a:1?password=hunter2,redis://b:2", "m,redis://a:1?(hidden)"),
        ("redis://:hunter2@a,redis://:hunter2@b:1/0", "redis://(hidden)@b:1/0"),
        ("m,redis://a:1,redis://:hun/ter2", "m,redis://(hidden)"),
        ("me:hunter2,redis://a:1", "(hidden)"),
        ("redis://:hun,hunter2,x@a,b", "redis://(hidden)@a,b"),
    ] {
        assert_eq!(redacted(url), shown, "{url}");
    }
    // not a path: it would be logged as the address of the connections
    for url in ["me:hunter2@h:1/0", "redis:/me:hunter2@h:1/0", "redis//me:hunter2@h"] {
        let text = error(&[("REDIS_URL", url)]);
        assert!(text.starts_with("REDIS_URL: \"(hidden)@h") && !text.contains("hunter2"), "{text}");
    }
    let malformed = error(&[("REDIS_URL", "redis://me:hunter2@h:port")]);
    assert!(!malformed.contains("hunter2"), "{malformed}");
    let debug = format!("{:?}", store(&[("REDIS_URL", "redis://me:hunter2@h:1"), ("REDIS_SENTINEL_AUTH", "hunter2")]));
    assert!(!debug.contains("hunter2"), "{debug}");
}
