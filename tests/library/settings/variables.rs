//! Each variable by itself: the valid and invalid values of `samples`.

use proptest::prelude::*;
use tollgate::settings::{Effect, Problem, TABLE, Variable};

use super::samples::{environment, odd, samples, without};
use super::support::{faults, resolve, unreadable};

#[test]
fn every_valid_value_is_accepted() {
    for variable in TABLE {
        for value in samples(variable.name).0 {
            if let Err(error) = resolve(&environment(variable.name, value)) {
                unreachable!("{}={value:?}: {error}", variable.name);
            }
        }
    }
}

#[test]
fn every_invalid_value_is_one_error_that_names_it() {
    for variable in TABLE {
        for value in samples(variable.name).1 {
            let error = resolve(&environment(variable.name, value)).expect_err(variable.name);
            let [Problem::Malformed { origin, value: shown, accepted }] = error.problems() else {
                unreachable!("{}={value:?}: {error}", variable.name)
            };
            // the rest is a hint
            assert!(accepted.starts_with(variable.accepted), "{}={value:?}: {accepted}", variable.name);
            assert_eq!(origin.variable, variable.name);
            assert!(shown == value || shown == "(hidden)", "{}={value:?}: {error}", variable.name);
        }
    }
}

#[test]
fn every_replaced_value_causes_one_warning_that_names_it() {
    for variable in TABLE {
        for value in odd(variable.name) {
            let settings = resolve(&environment(variable.name, value)).expect(variable.name);
            let [warning] = &settings.warnings[..] else { unreachable!("{}={value}: {settings:?}", variable.name) };
            assert!(warning.starts_with(variable.name), "{}={value}: {warning}", variable.name);
            // of this one the rest is used unchanged
            if variable.name != "CONFIG_GRPC_XDS_NODE_METADATA" {
                assert!(warning.ends_with(&format!("; accepted: {}", variable.accepted)), "{warning}");
            }
        }
    }
}

#[test]
fn an_empty_value_means_unset() {
    for variable in TABLE {
        let others: Vec<_> =
            environment(variable.name, "").into_iter().filter(|(name, _)| *name != variable.name).collect();
        let mut unset = resolve(&others).expect(variable.name);
        let mut settings = resolve(&[&others[..], &[(variable.name, "")]].concat()).expect(variable.name);
        // a warning: treating them as unset may be unexpected, or leaves something unprotected
        let surprises = [
            "HOST",
            "DEBUG_HOST",
            "GRPC_HOST",
            "RUNTIME_ROOT",
            "RUNTIME_APPDIRECTORY",
            "RULE_DEFAULTS",
            "DESCRIPTOR_VALUE_SECRET",
            "FAILURE_MODE",
            "ON_INVALID_REQUEST",
            "REFUNDS",
            "GRPC_SERVER_USE_TLS",
            "GRPC_CLIENT_TLS_CACERT",
            "GRPC_CLIENT_TLS_SAN",
            "HTTP_TLS_CERT",
            "PROMETHEUS_TLS_CERT",
            "CONFIG_GRPC_XDS_NODE_ID",
            "CONFIG_GRPC_XDS_SERVER_USE_TLS",
            "REDIS_TLS",
            "REDIS_PERSECOND_TLS",
        ];
        let warned: Vec<_> = settings.warnings.iter().filter(|warning| !unset.warnings.contains(warning)).collect();
        let start = format!("{} is empty, which counts as unset: ", variable.name);
        let says = |warning: &&String| warning.starts_with(&start);
        assert_eq!(warned.len(), usize::from(surprises.contains(&variable.name)), "{}: {warned:?}", variable.name);
        assert!(warned.iter().all(says), "{warned:?}");
        settings.warnings.clear();
        unset.warnings.clear();
        assert_eq!(settings, unset, "{}", variable.name);
    }
    // if another variable makes it ineffective, there is no warning
    for name in ["GRPC_CLIENT_TLS_CACERT", "CONFIG_GRPC_XDS_NODE_ID", "PROMETHEUS_TLS_CERT", "REDIS_TLS"] {
        let settings = resolve(&[(name, ""), ("USE_PROMETHEUS", "false")]).expect(name);
        assert_eq!(settings.warnings, [""; 0], "{name}");
    }
    // a template that sets all of them
    let all: Vec<(&str, &str)> = TABLE.iter().map(|variable| (variable.name, "")).collect();
    let mut settings = resolve(&all).expect("settings");
    settings.warnings.clear();
    assert_eq!(settings, resolve::<&str, &str>(&[]).expect("defaults"));
}

#[test]
fn the_errors_of_all_variables_are_reported_at_once() {
    let bad: Vec<(&str, &str)> = TABLE
        .iter()
        .filter_map(|variable| samples(variable.name).1.first().map(|value| (variable.name, *value)))
        .collect();
    assert!(bad.len() > 55, "{} variables can be malformed", bad.len());
    assert_eq!(faults(&bad), bad.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn an_explicit_default_changes_nothing() {
    for variable in TABLE.iter().filter(|variable| !variable.default.is_empty()) {
        let mut unset = without(variable.name);
        unset.warnings.clear();
        let mut settings = resolve(&environment(variable.name, variable.default)).expect(variable.name);
        settings.warnings.clear();
        assert_eq!(settings, unset, "{}={}", variable.name, variable.default);
    }
}

#[test]
fn a_variable_changes_the_settings_or_causes_a_warning() {
    for variable in TABLE.iter().filter(|variable| variable.name != "BACKEND_TYPE" && variable.name != "CONFIG_TYPE") {
        let outcomes: Vec<_> = samples(variable.name)
            .0
            .iter()
            .map(|value| resolve(&environment(variable.name, value)).expect(variable.name))
            .collect();
        let mut unset = without(variable.name);
        unset.warnings.clear();
        // "no effect: A=value, B=value: reason"
        let is_named = |text: &String| {
            let mut named = text.strip_prefix("no effect: ").unwrap_or_default().split(", ");
            named.any(|named| named.split('=').next() == Some(variable.name))
        };
        let warns = outcomes.iter().any(|settings| settings.warnings.iter().any(is_named));
        let changes = outcomes.iter().any(|settings| {
            let mut settings = settings.clone();
            settings.warnings.clear();
            settings != unset
        });
        match variable.effect {
            // it repeats the address, or contradicts it
            Effect::Works if variable.name.ends_with("_SOCKET_TYPE") => assert!(!changes && !warns),
            Effect::Works | Effect::Ours => assert!(changes && !warns, "{}", variable.name),
            Effect::NoEffect(_) | Effect::Later(_) => {
                assert!(!changes && warns, "{}", variable.name);
            }
        }
    }
}

#[test]
fn every_name_in_the_table_is_unique() {
    let mut names: Vec<&str> = TABLE.iter().map(|variable| variable.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}

proptest! {
    #[test]
    fn no_value_of_any_variable_panics(value in "\\PC{0,24}", numeric in "[-+0-9a-fxob._:,=@/\\[\\]]{0,24}") {
        for value in [value, numeric] {
            let everywhere: Vec<(&str, &str)> = TABLE.iter().map(|variable| (variable.name, value.as_str())).collect();
            let _ = resolve(&everywhere);
        }
    }
}

#[test]
fn an_unreadable_value_is_never_treated_as_unset() {
    let works = |variable: &&Variable| matches!(variable.effect, Effect::Works | Effect::Ours);
    for variable in TABLE.iter().filter(works) {
        let mut all: Vec<_> = environment(variable.name, "/x").into_iter().map(|(k, v)| (k, v.into())).collect();
        all[0].1 = unreadable(b"/x");
        assert_eq!(faults(&all), [variable.name], "{}", variable.name);
        let error = resolve(&all).expect_err(variable.name).to_string();
        assert!(error.contains(" in UTF-8"), "{error}");
    }
    // of two files that need each other, neither makes the other one ineffective
    for certificate in TABLE.iter().filter(|variable| variable.name.ends_with("_CERT")).filter(works) {
        let key = certificate.name.replace("_CERT", "_KEY");
        let mut all: Vec<_> = environment(certificate.name, "/x").into_iter().map(|(k, v)| (k, v.into())).collect();
        all.splice(..1, [(certificate.name, unreadable(b"/c")), (&*key, unreadable(b"/k"))]);
        assert_eq!(faults(&all), [certificate.name, &key]);
    }
}
