//! Headers that are added to the answer.

use testkit::rls::{ask, client, request};

use super::RULES;

#[tokio::test]
async fn headers_describe_the_tightest_limit() {
    let tollgate = testkit::tollgate!()
        .rules(RULES)
        .env("LIMIT_RESPONSE_HEADERS_ENABLED", "true")
        .env("LIMIT_REMAINING_HEADER", "x-left")
        .start();
    let mut client = client(tollgate.address("grpc"));
    let mut headers = async |descriptors: &[&[(&str, &str)]]| {
        let answer = ask(&mut client, request("shop", descriptors)).await;
        let mut headers: Vec<_> = answer.response_headers_to_add.into_iter().map(|h| (h.key, h.value)).collect();
        if let Some((name, reset)) = headers.pop() {
            assert_eq!(name, "RateLimit-Reset");
            assert!((1..=365 * 86_400).contains(&reset.parse::<u64>().expect("seconds")), "{reset}");
        }
        headers.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    let (a, b): (&[_], &[_]) = (&[("path", "/a")], &[("path", "/b")]);
    assert_eq!(headers(&[b, a]).await, ["RateLimit-Limit=2", "x-left=1"]);
    assert_eq!(headers(&[a]).await, ["RateLimit-Limit=2", "x-left=0"]);
    assert_eq!(headers(&[a, b]).await, ["RateLimit-Limit=2", "x-left=0"]);
    assert_eq!(headers(&[a, &[("zero", "z")]]).await, ["RateLimit-Limit=0", "x-left=0"], "the last one over");
    assert_eq!(headers(&[&[("free", "f")], &[("nothing", "x")]]).await, Vec::<String>::new());
}
