//! Warnings about suspicious passwords, which are sent unchanged.

use super::*;

#[test]
fn a_suspicious_password_is_sent_unchanged_with_a_warning() {
    for (auth, user, password, part) in [
        ("hunter2\n", None, "hunter2\n", "ends with a newline"),
        ("hunter2\r\n", None, "hunter2\r\n", "ends with a newline"),
        ("me:hunter2\n", Some("me"), "hunter2\n", "echo -n"),
        ("hunter2 ", None, "hunter2 ", "has a space"),
        (" hunter2", None, " hunter2", "has a space"),
        ("me: hunter2", Some("me"), " hunter2", "has a space"),
        ("\"hunter2\"", None, "\"hunter2\"", "is in quotes"),
        ("'hunter2'", None, "'hunter2'", "is in quotes"),
        ("\"me:hunter2\"", Some("\"me"), "hunter2\"", "is in quotes"),
        ("me:\"hunter2\"", Some("me"), "\"hunter2\"", "is in quotes"),
        ("$(hunter2)", None, "$(hunter2)", "was not replaced"),
        ("me:${hunter2}", Some("me"), "${hunter2}", "was not replaced"),
    ] {
        let settings = resolve(&[("REDIS_URL", "h:1"), ("REDIS_AUTH", auth)]).expect("Redis");
        let [warned] = &settings.warnings[..] else { unreachable!("{auth:?}: {:?}", settings.warnings) };
        assert!(warned.starts_with("REDIS_AUTH ") && warned.contains(part), "{auth:?}: {warned}");
        assert!(!warned.contains("hunter2") && !warned.contains("me:"), "{warned}");
        assert_eq!(
            main_of(&[("REDIS_URL", "h:1"), ("REDIS_AUTH", auth)]).credentials,
            fixed(user, password),
            "{auth:?}"
        );
    }
    for auth in ["hunter2", "me:hunter2", "hun\"ter2", "\"", "a b", "$2y$10$abc", "hun'ter2'"] {
        assert_eq!(resolve(&[("REDIS_URL", "h:1"), ("REDIS_AUTH", auth)]).expect("Redis").warnings, [""; 0], "{auth}");
    }
}

#[test]
fn every_password_variable_is_checked_unless_it_has_no_effect() {
    let environment = [
        ("REDIS_TYPE", "SENTINEL"),
        ("REDIS_URL", "m,s:1"),
        ("REDIS_AUTH", "hunter2\n"),
        ("REDIS_SENTINEL_AUTH", "hunter2\n"),
        ("REDIS_PERSECOND", "true"),
        ("REDIS_PERSECOND_TYPE", "SENTINEL"),
        ("REDIS_PERSECOND_URL", "m,s:1"),
        ("REDIS_PERSECOND_AUTH", "hunter2\n"),
        ("REDIS_PERSECOND_SENTINEL_AUTH", "hunter2\n"),
    ];
    let warned = resolve(&environment).expect("Redis").warnings;
    assert_eq!(warned.iter().filter(|warning| warning.contains("ends with a newline")).count(), 4, "{warned:?}");
    let idle = resolve(&[("BACKEND_TYPE", "memory"), ("REDIS_AUTH", "hunter2\n")]).expect("memory");
    assert_eq!(idle.warnings, ["no effect: REDIS_AUTH: the backend is memory"]);
}

#[test]
fn a_colon_alone_is_no_login() {
    let settings = resolve(&[("REDIS_URL", "h:1"), ("REDIS_AUTH", ":")]).expect("Redis");
    assert_eq!(settings.warnings, ["REDIS_AUTH has neither a user nor a password: nothing is sent"]);
    assert_eq!(main_of(&[("REDIS_URL", "h:1"), ("REDIS_AUTH", ":")]).credentials, Credentials::None);
}
