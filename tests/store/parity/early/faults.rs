//! Small calls with counters that cannot be read or written.

use super::*;

/// Shapes with a counter that Redis refuses, and one beside it.
fn with(key: &str, n: u64) -> [Vec<(Group, u32)>; 4] {
    let beside = || Hit { descriptor: 1, ..fixed("beside", n) };
    [
        alone(fixed(key, n)),
        vec![(Group::new([fixed(key, n), beside()]), 1)],
        vec![(Group::new([beside(), Hit { descriptor: 2, ..fixed(key, n) }]).atomic(), 1)],
        [alone(beside()), alone(fixed(key, n))].concat(),
    ]
}

#[test]
fn a_counter_that_cannot_be_read_is_refused_as_on_the_full_path() {
    let mut twins = Twins::start();
    for name in Twins::NAMES {
        twins.redis.command(&["LPUSH", &format!("{name}list"), "x"]);
    }
    twins.seed("text", b"17");
    for (key, expected) in [("list", "WRONGTYPE"), ("text", "WRONGVALUE")] {
        for n in [0, 1] {
            for groups in with(key, n) {
                let outcome = twins.call(&at(&groups, NOW), NONE);
                assert!(!outcome.early, "{groups:?}");
                assert_eq!(code(outcome.answers.last().expect("an answer")), expected, "{groups:?}");
                assert!(groups.len() == 1 || outcome.answers[0].is_ok(), "its neighbour is counted");
            }
        }
    }
    assert_eq!(twins.redis.number(&["EXISTS", "ebeside"]), 1, "counted by the calls of two groups alone");
}

#[test]
fn a_counter_that_cannot_be_written_is_refused_as_on_the_full_path() {
    for (words, expected) in
        [(&["REPLICAOF", "127.0.0.1", "1"][..], "READONLY"), (&["CONFIG", "SET", "maxmemory", "1"], "OOM")]
    {
        let mut twins = Twins::start();
        twins.call(&at(&alone(fixed("known", 3)), NOW), LONG);
        twins.redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        twins.redis.command(words);
        for key in ["known", "new"] {
            for groups in with(key, 1) {
                let outcome = twins.call(&at(&groups, NOW), NONE);
                assert!(outcome.early, "{groups:?}");
                assert!(outcome.answers.iter().all(|answer| code(answer) == expected), "{:?}", outcome.answers);
            }
            for groups in with(key, 0) {
                let outcome = twins.call(&at(&groups, NOW), NONE);
                assert!(outcome.early && outcome.answers.iter().all(Result::is_ok), "looks only read: {groups:?}");
            }
        }
    }
}

/// Redis refuses all writes of a call or none, so a function in the place of `redis.pcall` refuses those of one key.
#[test]
fn a_write_that_fails_between_others_fails_its_own_group_only() {
    let mut redis = Redis::start();
    let refusing = "local function refusing(command, key, ...)
  if command == 'SET' and key == 'bad' then return { err = 'OOM not this one' } end
  return redis.pcall(command, key, ...)
end
";
    let text = format!("{refusing}{}", script::TEXT.replace("redis.pcall", "refusing"));
    let good = |key| single(fixed(key, 1));
    let group = |keys: [&str; 3]| {
        let hit = |(at, key): (usize, &&str)| Hit { descriptor: at as u32, ..fixed(key, 1) };
        Entry::new(Group::new(keys.iter().enumerate().map(hit)))
    };
    for (entries, refused, others) in [
        (vec![good("bad")], &[true][..], 0),
        (vec![good("a"), good("bad"), good("b")], &[false, true, false], 2),
        (vec![group(["a", "bad", "b"])], &[true], 2),
        (vec![group(["bad", "a", "b"])], &[true], 2),
    ] {
        let mut replies = Vec::new();
        for entries in [entries.clone(), full(&entries)] {
            redis.command(&["FLUSHALL"]);
            let reply = bytes(redis.eval(&text, &entries, NONE));
            let answers = decode(&entries, &server(), &reply).expect("a reply").1;
            for (answer, refused) in answers.iter().zip(refused) {
                assert_eq!(answer.as_ref().is_err_and(|error| error.code() == "OOM"), *refused, "{answers:?}");
            }
            assert_eq!(redis.number(&["EXISTS", "a", "b"]), others, "{entries:?}");
            replies.push(reply[8..].to_vec());
        }
        assert_eq!([replies[0].as_slice(), b"\0"].concat(), replies[1], "{entries:?}");
    }
}
