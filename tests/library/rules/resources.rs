//! Rules that are not text compile like a file with the same rules.

use rules::{CompileErrors, CompileOptions, ListWriter, MapWriter, RuleResource, RuleSet, compile_resources};

use super::{MERGE, OPTIONS, entries, find, good};

fn resource(name: &str, domain: &str, descriptors: impl FnOnce(&mut ListWriter<'_>)) -> RuleResource {
    RuleResource::new(name, |file| {
        file.text("domain", domain);
        file.list("descriptors", descriptors);
    })
    .expect("a small resource")
}

fn descriptor(list: &mut ListWriter<'_>, key: &str, value: &str, unit: &str) {
    list.map(|descriptor| {
        descriptor.text("key", key);
        descriptor.text("value", value);
        descriptor.map("rate_limit", |limit| {
            limit.text("unit", unit);
            limit.plain("requests_per_unit", 5);
        });
    });
}

fn compiled(resources: &[RuleResource]) -> RuleSet {
    compile_resources(resources, &OPTIONS).unwrap_or_else(|errors| panic!("{errors}")).rules
}

fn faults(resources: &[RuleResource], options: &CompileOptions<'_>) -> Vec<String> {
    let CompileErrors { errors, .. } = compile_resources(resources, options).expect_err("a fault");
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_resource_compiles_like_a_file_with_the_same_rules() {
    let built = RuleResource::new("r", |file| {
        file.text("domain", "d");
        file.list("descriptors", |list| {
            list.map(|descriptor| {
                descriptor.text("key", "a");
                descriptor.list("descriptors", |list| {
                    list.map(|descriptor| {
                        descriptor.text("key", "b");
                        descriptor.text("value", "true");
                        descriptor.plain("shadow_mode", true);
                        descriptor.map("rate_limit", |limit| {
                            limit.text("unit", "DAY");
                            limit.plain("requests_per_unit", 7);
                            limit.text("name", "n");
                            limit.list("replaces", |list| list.map(|other| other.text("name", "m")));
                        });
                        descriptor.map("metadata", |metadata| {
                            metadata.plain("number", 1.5);
                            metadata.text("text", "1.5");
                            metadata.list("list", |list| {
                                list.plain(true);
                                list.plain("null");
                                list.text("null");
                                list.list(|list| list.map(|map| map.text("<<", "k")));
                            });
                        });
                    });
                });
            });
        });
    })
    .expect("a small resource");
    assert_eq!(built.name(), "r");
    let rules = compiled(&[built]);
    let written = good(
        "domain: d\ndescriptors:\n- key: a\n  descriptors:\n  - {key: b, value: 'true', shadow_mode: true, \
         rate_limit: {unit: DAY, requests_per_unit: 7, name: n, replaces: [{name: m}]}, \
         metadata: {number: 1.5, text: '1.5', list: [true, null, 'null', [{'<<': k}]]}}\n",
    )
    .rules;
    let of = |rules: &RuleSet| {
        let rule = find(rules, "d", &[("a", ""), ("b", "true")]).expect("a rule").rule;
        (rule.policy().clone(), rule.shadow(), rule.name().cloned(), rule.replaces().to_vec(), rule.metadata().cloned())
    };
    assert_eq!(of(&rules), of(&written));
    assert!(rules.domain("d").expect("d").find(&entries(&[("a", "x"), ("b", "y")])).is_none());
}

#[test]
fn an_error_names_the_resource_and_the_path_and_no_line() {
    let two = |list: &mut ListWriter<'_>| {
        descriptor(list, "k", "v", "second");
        descriptor(list, "k", "v", "fortnight");
        descriptor(list, "", "", "day");
    };
    assert_eq!(
        faults(&[resource("one", "d", two)], &OPTIONS),
        [
            "one: descriptors[1].rate_limit.unit: invalid unit `fortnight`; accepted: second, minute, hour, day, week, \
             month, year, in any letter case",
            "one: descriptors[1]: a sibling with key `k` and value `v` is already in the same list: leave one out",
            "one: descriptors[2].key: the key is missing or empty: every descriptor needs one",
        ]
    );
    let again = |list: &mut ListWriter<'_>| descriptor(list, "k", "v", "second");
    let same = || [resource("one", "d", again), resource("two", "d", again)];
    assert_eq!(
        faults(&same(), &OPTIONS),
        ["two: domain: the domain `d` is already in one; MERGE_DOMAIN_CONFIG=true lets several share one"]
    );
    assert_eq!(
        faults(&same(), &MERGE),
        ["two: descriptors[0]: a sibling with key `k` and value `v` is already in one: leave one out"]
    );
    assert_eq!(
        faults(&[resource("", "", |_| {})], &OPTIONS),
        [": domain: the domain is missing or empty: write `domain: NAME`"]
    );
}

#[test]
fn a_key_added_twice_is_reported_and_the_last_wins() {
    let twice = |file: &mut MapWriter<'_>| {
        file.text("domain", "a");
        file.text("domain", "d");
    };
    let compiled = compile_resources(&[RuleResource::new("r", twice).expect("small")], &OPTIONS).expect("good");
    assert!(compiled.rules.domain("d").is_some() && compiled.rules.domain("a").is_none());
    assert_eq!(compiled.warnings.len(), 1);
}

#[test]
fn an_empty_list_of_resources_is_valid() {
    assert_eq!(compiled(&[]).rule_count(), 0);
}
