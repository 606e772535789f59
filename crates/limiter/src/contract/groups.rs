//! All the hits of one request.

use super::*;

/// (allowed, after, granted) of each.
fn brief(verdicts: &[Verdict]) -> Vec<(bool, u64, u64)> {
    verdicts.iter().map(|verdict| (verdict.allowed, verdict.after, verdict.granted)).collect()
}

/// Hits of different descriptors.
fn apart(hits: impl IntoIterator<Item = Hit>) -> Group {
    together(hits.into_iter().zip(0..).map(|(hit, descriptor)| Hit { descriptor, ..hit }))
}

fn shadow(hit: Hit) -> Hit {
    Hit { shadow: true, ..hit }
}

fn quota(hit: Hit) -> Hit {
    Hit { quota: true, ..hit }
}

async fn fill<S: RateLimiter>(bench: &Bench<S>, names: &[&str]) {
    for name in names {
        assert!(bench.one(bench.gentle(name, L), START).await.allowed);
    }
}

pub(super) async fn an_empty_group<S: RateLimiter>(bench: Bench<S>) {
    assert!(bench.group(together([])).await.is_empty());
    assert!(bench.group(together([]).atomic()).await.is_empty());
}

pub(super) async fn one_hit_after_another<S: RateLimiter>(bench: Bench<S>) {
    fill(&bench, &["b"]).await;
    let verdicts = bench.group(apart([bench.gentle("a", 1), bench.gentle("b", 1), bench.gentle("c", 2)])).await;
    assert_eq!(brief(&verdicts), [(true, 1, 1), (false, L, 0), (true, 2, 2)], "each on its own");
}

pub(super) async fn the_same_counter_twice<S: RateLimiter>(bench: Bench<S>) {
    let verdicts = bench.group(apart([bench.gentle("a", 6), bench.gentle("b", 1), bench.gentle("a", 6)])).await;
    assert_eq!(brief(&verdicts), [(true, 6, 6), (true, 1, 1), (false, 6, 0)]);
    let verdicts = bench.group(apart([bench.gentle("a", 2), bench.gentle("a", 2)])).await;
    assert_eq!(brief(&verdicts), [(true, 8, 2), (true, 10, 2)]);
}

pub(super) async fn many_hits<S: RateLimiter>(bench: Bench<S>) {
    let hits = (0..1500).map(|number| bench.gentle(&format!("{}", number % 750), 1 + number % 3));
    let verdicts = bench.group(apart(hits)).await;
    for number in 0..750u64 {
        let (first, second) = (1 + number % 3, 1 + (number + 750) % 3);
        assert_eq!(verdicts[number as usize].after, first, "in order, {number}");
        assert_eq!(bench.count(&format!("{number}")).await, first + second);
    }
}

pub(super) async fn limits_of_one_descriptor<S: RateLimiter>(bench: Bench<S>) {
    fill(&bench, &["full"]).await;
    let hits = [bench.harsh("a", 1), bench.harsh("full", 1), Hit { descriptor: 1, ..bench.harsh("b", 1) }];
    let verdicts = bench.group(together(hits)).await;
    assert_eq!(brief(&verdicts), [(true, 0, 0), (false, L + 1, 0), (true, 1, 1)], "what was over is charged alone");
    assert_eq!((bench.count("a").await, bench.count("full").await, bench.count("b").await), (0, L + 1, 1));
    fill(&bench, &["gentle"]).await;
    let verdicts = bench.group(together([bench.gentle("a", 1), bench.gentle("gentle", 1)])).await;
    assert_eq!(brief(&verdicts), [(true, 0, 0), (false, L, 0)]);
    assert_eq!((bench.count("a").await, bench.count("gentle").await), (0, L));
}

pub(super) async fn limits_of_one_descriptor_in_shadow<S: RateLimiter>(bench: Bench<S>) {
    fill(&bench, &["full"]).await;
    let hits = [shadow(bench.harsh("a", 1)), shadow(bench.harsh("full", 1))];
    assert_eq!(brief(&bench.group(together(hits)).await), [(true, 1, 1), (false, L + 1, 0)], "each on its own");
}

pub(super) async fn a_refused_group_charges_what_was_over<S: RateLimiter>(bench: Bench<S>) {
    fill(&bench, &["full"]).await;
    let hits =
        |hit: fn(&Bench<S>, &str, u64) -> Hit| apart(["a", "full", "b"].map(|name| hit(&bench, name, 1))).atomic();
    assert_eq!(brief(&bench.group(hits(Bench::gentle)).await), [(true, 0, 0), (false, L, 0), (true, 0, 0)]);
    assert_eq!((bench.count("a").await, bench.count("full").await, bench.count("b").await), (0, L, 0));
    assert_eq!(brief(&bench.group(hits(Bench::harsh)).await), [(true, 0, 0), (false, L + 1, 0), (true, 0, 0)]);
    assert_eq!((bench.count("a").await, bench.count("full").await, bench.count("b").await), (0, L + 1, 0));
}

/// After the group was put back the second hit would fit.
pub(super) async fn a_refused_group_decides_nothing_anew<S: RateLimiter>(bench: Bench<S>) {
    for (counted, left) in [(false, 0), (true, 6)] {
        for (form, atomic) in [("atomic", true), ("limits", false)] {
            let name = format!("{counted} {form}");
            let hit = || if counted { bench.harsh(&name, 6) } else { bench.gentle(&name, 6) };
            let hits = [hit(), hit()];
            let verdicts = bench.group(if atomic { apart(hits).atomic() } else { together(hits) }).await;
            assert_eq!(brief(&verdicts), [(true, 0, 0), (false, left, 0)], "{name}");
            assert_eq!(bench.count(&name).await, left, "{name}");
        }
    }
}

pub(super) async fn a_refused_group_of_one<S: RateLimiter>(bench: Bench<S>) {
    fill(&bench, &["full"]).await;
    let verdicts = bench.group(apart([bench.harsh("full", 1)]).atomic()).await;
    assert_eq!(brief(&verdicts), [(false, L + 1, 0)]);
    let verdicts = bench.group(apart([bench.gentle("full", 1)]).atomic()).await;
    assert_eq!(brief(&verdicts), [(false, L + 1, 0)]);
    let verdicts = bench.group(apart([shadow(bench.harsh("full", 1))]).atomic()).await;
    assert_eq!(brief(&verdicts), [(false, L + 2, 0)], "a shadow hit is charged");
    let refused = Group { refused: true, ..apart([bench.harsh("a", 1)]).atomic() };
    assert_eq!(brief(&bench.group(refused).await), [(true, 0, 0)], "within its limit, and not charged");
}

pub(super) async fn shadow_hits_are_charged_in_any_case<S: RateLimiter>(bench: Bench<S>) {
    fill(&bench, &["full", "dark"]).await;
    let refused = [bench.harsh("a", 1), shadow(bench.harsh("s", 2)), bench.harsh("full", 1)];
    assert_eq!(brief(&bench.group(apart(refused).atomic()).await), [(true, 0, 0), (true, 2, 2), (false, L + 1, 0)]);
    let passed = [shadow(bench.harsh("dark", 1)), bench.harsh("a", 1)];
    assert_eq!(brief(&bench.group(apart(passed).atomic()).await), [(false, L + 1, 0), (true, 1, 1)]);
}

pub(super) async fn a_refused_refund_is_not_applied<S: RateLimiter>(bench: Bench<S>) {
    fill(&bench, &["full", "r"]).await;
    let refund = Hit { charge: Charge::Give(4), ..bench.gentle("r", 0) };
    let verdicts = bench.group(apart([refund.clone(), bench.gentle("full", 1)]).atomic()).await;
    assert_eq!(brief(&verdicts), [(true, L, 0), (false, L, 0)]);
    let verdicts = bench.group(apart([refund, bench.gentle("a", 1)]).atomic()).await;
    assert_eq!(brief(&verdicts), [(true, L - 4, 4), (true, 1, 1)]);
}

pub(super) async fn quotas_refuse_together<S: RateLimiter>(bench: Bench<S>) {
    fill(&bench, &["f", "g"]).await;
    let one_left = [quota(bench.gentle("f", 1)), quota(bench.gentle("a", 1)), bench.gentle("b", 1)];
    assert_eq!(brief(&bench.group(apart(one_left).atomic()).await), [(false, L, 0), (true, 1, 1), (true, 1, 1)]);
    let none_left = [quota(bench.gentle("f", 1)), quota(bench.gentle("g", 1)), bench.gentle("b", 1)];
    assert_eq!(brief(&bench.group(apart(none_left).atomic()).await), [(false, L, 0), (false, L, 0), (true, 1, 0)]);
    let shadowed = [quota(bench.gentle("f", 1)), shadow(quota(bench.gentle("g", 1))), bench.gentle("b", 1)];
    let verdicts = bench.group(apart(shadowed).atomic()).await;
    assert_eq!(brief(&verdicts), [(false, L, 0), (false, L, 0), (true, 2, 1)], "a shadow quota counts as passed");
}

pub(super) async fn a_quota_that_passed_elsewhere<S: RateLimiter>(bench: Bench<S>) {
    fill(&bench, &["f"]).await;
    let hits = || apart([quota(bench.gentle("f", 1)), bench.gentle("b", 1)]).atomic();
    assert_eq!(brief(&bench.group(hits()).await), [(false, L, 0), (true, 0, 0)]);
    let passed = Group { quota_passed: true, ..hits() };
    assert_eq!(brief(&bench.group(passed).await), [(false, L, 0), (true, 1, 1)]);
}

pub(super) async fn an_override_shares_its_counter<S: RateLimiter>(bench: Bench<S>) {
    let under = |requests, n| Hit::new(bench.key("k"), bench.limit(requests, false), Charge::Take(n));
    let verdicts = bench.group(apart([under(L, 6), under(L - 3, 2), under(L, 2)])).await;
    if bench.algorithm == Algorithm::TokenBucket {
        // 4 tokens left, which a smaller bucket holds too
        assert_eq!(brief(&verdicts), [(true, 6, 6), (true, 5, 2), (true, 10, 2)]);
    } else {
        assert_eq!(brief(&verdicts), [(true, 6, 6), (false, 6, 0), (true, 8, 2)]);
    }
}
