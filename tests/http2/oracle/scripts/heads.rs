//! Heads of calls: pseudo-headers, and the fields that gRPC defines.

use crate::oracle::script::{Fields, Script, call, changed, fields, good, pair, with, without};
use testkit::raw::SHOULD_RATE_LIMIT;

pub fn scripts() -> Vec<Script> {
    [methods(), paths(), pseudo_headers(), content_types(), others(), timeouts()].concat()
}

fn case(name: impl Into<String>, fields: &Fields) -> Script {
    Script::new(name, call(1, fields))
}

fn methods() -> Vec<Script> {
    let mut all: Vec<_> = ["GET", "PUT", "HEAD", "OPTIONS", "post", "", "PO ST", "P(ST"]
        .map(|method| case(format!("the method \"{method}\""), &changed(":method", method)))
        .to_vec();
    let mut connect = without(":path");
    connect.retain(|(name, _)| name != b":scheme");
    connect[0].1 = b"CONNECT".to_vec();
    all.push(case("CONNECT", &connect));
    all.push(case("CONNECT with a path", &changed(":method", "CONNECT")));
    all
}

fn paths() -> Vec<Script> {
    let query = format!("{SHOULD_RATE_LIMIT}?x=1");
    let slash = format!("{SHOULD_RATE_LIMIT}/");
    let fragment = format!("{SHOULD_RATE_LIMIT}#x");
    let absolute = format!("http://oracle{SHOULD_RATE_LIMIT}");
    let paths: [&str; 14] = [
        "",
        "/",
        "//",
        "*",
        "x",
        "/x",
        "/x/y",
        "/envoy.service.ratelimit.v3.RateLimitService/Other",
        &query,
        &slash,
        &fragment,
        &absolute,
        "/x/y z",
        "/x/%zz",
    ];
    let mut all: Vec<_> = paths.map(|path| case(format!("the path \"{path}\""), &changed(":path", path))).to_vec();
    all.push(case("a path that is not ASCII", &changed(":path", "/x/\u{e9}")));
    all.push(case("a path that is not UTF-8", &changed(":path", b"/x/\xff")));
    all.push(case("a path of 10 000 octets", &changed(":path", format!("/x/{}", "y".repeat(10_000)))));
    all.push(case("a path of 70 000 octets", &changed(":path", format!("/x/{}", "y".repeat(70_000)))));
    all
}

fn pseudo_headers() -> Vec<Script> {
    let mut all = Vec::new();
    for (name, value) in fields().iter().take(4) {
        let name = String::from_utf8_lossy(name);
        all.push(case(format!("no {name}"), &without(&name)));
        all.push(case(format!("two {name}"), &{
            let mut twice = fields();
            twice.insert(0, (name.as_bytes().to_vec(), value.clone()));
            twice
        }));
        let mut late = without(&name);
        late.push((name.as_bytes().to_vec(), value.clone()));
        all.push(case(format!("{name} after a field"), &late));
    }
    for (name, value) in [(":status", "200"), (":protocol", "websocket"), (":x", "y"), (":", "y"), (":Path", "/x/y")] {
        let mut added = fields();
        added.insert(0, pair((name, value)));
        all.push(case(format!("a pseudo-header \"{name}\""), &added));
    }
    for scheme in ["https", "ftp", "", "1", "a b"] {
        all.push(case(format!("the scheme \"{scheme}\""), &changed(":scheme", scheme)));
    }
    for authority in ["", "a|b", "a:b:c", "user@host", "%2Frun%2Fgrpc.sock", "a/b", "a b", "[::1]:80", "\u{e9}"] {
        all.push(case(format!("the authority \"{authority}\""), &changed(":authority", authority)));
    }
    let mut host = without(":authority");
    host.push(pair(("host", "oracle")));
    all.push(case("host in place of :authority", &host));
    all.push(case("host and :authority", &with("host", "oracle")));
    all.push(case("a host that is not :authority", &with("host", "other")));
    host.push(pair(("host", "other")));
    all.push(case("two of host", &host));
    all.push(case("no fields", &Vec::new()));
    all
}

fn content_types() -> Vec<Script> {
    let mut all: Vec<_> = [
        "",
        "application/json",
        "application/grpc+proto",
        "application/grpc+json",
        "application/grpc;charset=utf-8",
        "application/grpc+",
        "application/grpc-web",
        "Application/gRPC",
        "application/grp",
        "application/grpcx",
        "application/grpc ",
        " application/grpc",
    ]
    .map(|value| case(format!("the content-type \"{value}\""), &changed("content-type", value)))
    .to_vec();
    all.push(case("no content-type", &without("content-type")));
    all.push(case("two content-types, the second of gRPC", &{
        let mut two = changed("content-type", "text/plain");
        two.push(pair(("content-type", "application/grpc")));
        two
    }));
    all.push(case("two content-types, the first of gRPC", &with("content-type", "text/plain")));
    all
}

fn others() -> Vec<Script> {
    let mut all = vec![
        case("no te", &without("te")),
        case("two te", &with("te", "trailers")),
        case("x-bin that is base64", &with("x-bin", "AAEC")),
        case("x-bin that is not base64", &with("x-bin", "!!!")),
        case("grpc-message in a request", &with("grpc-message", "hello")),
        case("grpc-status in a request", &with("grpc-status", "5")),
        case("expect: 100-continue", &with("expect", "100-continue")),
        case("grpc-accept-encoding that is unknown", &with("grpc-accept-encoding", "x,y")),
    ];
    for te in ["gzip", "trailers, gzip", "Trailers", ""] {
        all.push(case(format!("te: \"{te}\""), &changed("te", te)));
    }
    all
}

fn timeouts() -> Vec<Script> {
    let mut all: Vec<_> = [
        "1H",
        "1M",
        "90S",
        "90000m",
        "90000000u",
        "99999999H",
        "00000001H",
        "0H",
        "0n",
        "",
        "S",
        "10",
        "1x",
        "1 S",
        "123456789H",
        "-1S",
        "+1S",
        "1.5S",
        "0x1S",
        "1h",
        "\u{664}S",
    ]
    .map(|value| case(format!("grpc-timeout: \"{value}\""), &with("grpc-timeout", value)))
    .to_vec();
    let two = |first: &str, second: &str| {
        let mut two = with("grpc-timeout", first);
        two.push(pair(("grpc-timeout", second)));
        two
    };
    all.push(case("two of grpc-timeout", &two("1H", "2H")));
    all.push(case("two of grpc-timeout, the first malformed", &two("x", "1H")));
    all.push(case("two of grpc-timeout, the second malformed", &two("1H", "x")));
    all.push(case("a malformed grpc-timeout of GET", &{
        let mut all = with("grpc-timeout", "x");
        all[0].1 = b"GET".to_vec();
        all
    }));
    all.push(
        Script::new("a refused call before a good one", [call(1, &with("grpc-timeout", "x")), good(3)].concat())
            .and([3]),
    );
    all
}
