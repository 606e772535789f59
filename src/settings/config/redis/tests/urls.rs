//! URLs as the reference's Redis client reads them. The expected values were obtained from radix 4.1.4.

use super::*;

/// The login and the database of one server.
fn read(url: &str, auth: &str) -> (Credentials, u32) {
    let main = main_of(&[("REDIS_URL", url), ("REDIS_AUTH", auth)]);
    assert!(matches!(main.topology, Topology::Single(Address::Tcp(_))), "{url}: {main:?}");
    (main.credentials, main.database)
}

fn warnings(environment: &[(&str, &str)]) -> Vec<String> {
    resolve(environment).unwrap_or_else(|error| unreachable!("{environment:?}: {error}")).warnings
}

#[test]
fn databases_and_logins_of_one_server() {
    let none = Credentials::None;
    let login = |user: &str, password: &str| fixed(Some(user).filter(|user| !user.is_empty()), password);
    for (url, credentials, database) in [
        ("redis://h:1/3", none.clone(), 3),
        ("redis://h:1?db=3", none.clone(), 3),
        ("redis://h:1/2?db=3", none.clone(), 2),
        ("redis://h:1/?db=3", none.clone(), 3),
        ("redis://h:1?db=", none.clone(), 0),
        ("redis://h:1?db=1&db=2", none.clone(), 1),
        ("redis://h:1/%33", none.clone(), 3),
        ("redis://h:1/2#?db=3", none.clone(), 2),
        ("redis://h:1?username=u&password=p", login("u", "p"), 0),
        ("redis://h:1?password=p&db=4", login("", "p"), 4),
        ("redis://a:b@h:1?username=u&password=p", login("a", "b"), 0),
        ("redis://:b@h:1?username=u&password=p", login("u", "b"), 0),
        ("redis://a@h:1?password=p", login("a", "p"), 0),
        ("redis://a:@h:1?password=p", login("a", ""), 0),
        ("redis://:@h:1?password=p", none.clone(), 0),
        ("redis://a@h:1", login("a", ""), 0),
        ("redis://@h:1", none.clone(), 0),
        ("redis://h:1?password=a&password=b", login("", "a"), 0),
        ("redis://h:1?Password=a", none.clone(), 0),
        ("redis://h:1?pass%77ord=a", login("", "a"), 0),
        ("redis://h:1?password=a@b", login("", "a@b"), 0),
        ("redis://h:1?password=a?b", login("", "a?b"), 0),
        ("redis://h:1?a=1;b&password=p", login("", "p"), 0),
        ("redis://h:1?%zz=1&password=p", login("", "p"), 0),
        ("redis://h:1?&&password=x", login("", "x"), 0),
        ("redis://h:1??password=x", none.clone(), 0),
        ("redis://h:1?password=p#x", login("", "p"), 0),
        ("redis://h:1?timeout=5s&password=p&skipverify=true", login("", "p"), 0),
        // percent-decoded; a + is a space in parameters only
        ("redis://h:1?password=a+b", login("", "a b"), 0),
        ("redis://h:1?password=a%2Bb", login("", "a+b"), 0),
        ("redis://:a+b@h:1", login("", "a+b"), 0),
        ("redis://:p%23%2f%3f%40%3as@h:1", login("", "p#/?@:s"), 0),
        ("redis://:p@s@h:1", login("", "p@s"), 0),
        ("redis://:p:q@h:1", login("", "p:q"), 0),
        ("redis://:p,q@h:1", login("", "p,q"), 0),
        // a Kubernetes secret may end with a newline
        ("redis://:p@h:1/2\n", login("", "p"), 2),
    ] {
        assert_eq!(read(url, ""), (credentials, database), "{url}");
    }
}

#[test]
fn a_url_that_radix_cannot_parse_is_refused_with_the_cure() {
    // `numbers` look like a host and a port, which would be dialled and printed
    let numbers = ["redis://:123#45@h:1", "redis://me:123?45@h:1", "redis://t0k#en@h:1"];
    for url in ["redis://:p/s@h:1", "redis://:p?s@h:1", "redis://:p#s@h:1", "redis://:%zz@h:1"].iter().chain(&numbers) {
        let text = error(&[("REDIS_URL", url)]);
        assert!(text.contains("percent-encoded") && !text.contains(&url[8..12]), "{url}: {text}");
    }
    // an unencoded @ is fine in a parameter
    assert_eq!(read("redis://h:1?username=u&password=p@ss", "").1, 0);
    for url in ["redis://h:1?password=%zz", "redis://h:1?password=a;b", "redis://h:1/3/", "redis://h:1?db=+3"] {
        assert!(error(&[("REDIS_URL", url)]).contains(" is not redis://"), "{url}");
    }
}

#[test]
fn redis_auth_beats_the_url_field_by_field() {
    for (url, auth, user, password) in [
        ("redis://a:b@h", "x:y", Some("x"), "y"),
        ("redis://a:b@h", "y", Some("a"), "y"),
        ("redis://a:b@h", ":y", Some("a"), "y"),
        ("redis://a:b@h", "x:", Some("x"), "b"),
        ("redis://h?username=u&password=p", "y", Some("u"), "y"),
        ("redis://h?username=u&password=p", "x:", Some("x"), "p"),
        ("redis://a:b@h", "a:b", Some("a"), "b"),
        ("h:6379", "x:", Some("x"), ""),
    ] {
        assert_eq!(read(url, auth).0, fixed(user, password), "{url} {auth}");
    }
    let warned = |auth| warnings(&[("REDIS_URL", "redis://a:hunter2@h"), ("REDIS_AUTH", auth)]);
    let differs = "REDIS_AUTH replaces the user or password in REDIS_URL, which is different";
    for auth in ["x:hunter2", "hunter3", "x:"] {
        assert_eq!(warned(auth), [differs], "{auth}");
    }
    for auth in ["hunter2", "a:hunter2", "a:"] {
        assert_eq!(warned(auth), [""; 0], "{auth}");
    }
}

#[test]
fn what_is_ignored_is_warned_about() {
    for (url, part) in [
        ("redis://h:1?timeout=5s", "REDIS_URL has parameters other than db"),
        ("redis://h:1#x", "or a fragment"),
        ("redis://h:1/2?db=3", "the one in the path is used"),
        ("redis://a:b@h:1?password=p", "the one before the @ is used"),
        ("redis://a@h:1", "user without a password"),
        (" redis://h:1", "has white space around it"),
    ] {
        let warned = warnings(&[("REDIS_URL", url)]);
        assert!(warned.len() == 1 && warned[0].contains(part), "{url}: {warned:?}");
    }
    for url in ["redis://h:1/3?db=3", "redis://a:p@h:1?password=p", "redis://h:1/", "redis://h:1?db=4"] {
        assert_eq!(warnings(&[("REDIS_URL", url)]), [""; 0], "{url}");
    }
}

fn sentinels(url: &str, more: &[(&str, &str)]) -> (Endpoint, Vec<HostPort>, Credentials) {
    let environment = [&[("REDIS_TYPE", "SENTINEL"), ("REDIS_URL", url)], more].concat();
    let main = main_of(&environment);
    let Topology::Sentinel { master, sentinels, credentials } = main.topology.clone() else {
        unreachable!("{url}: {main:?}")
    };
    assert_eq!(master, "mymaster");
    (main, sentinels, credentials)
}

#[test]
fn the_logins_of_a_list_of_sentinels_are_the_sentinels() {
    let (main, servers, login) = sentinels("mymaster,redis://:pw@s1:26379", &[]);
    assert_eq!((servers, login), (vec![server("s1", 26379)], fixed(None, "pw")));
    assert_eq!((main.credentials, main.database), (Credentials::None, 0));

    let (main, servers, login) =
        sentinels("mymaster,redis://u:p%2Cw@s1, s2:1,redis://u:p%2Cw@[::1]/0,", &[("REDIS_AUTH", "me:data")]);
    assert_eq!(servers, [server("s1", 26379), server("s2", 1), server("::1", 26379)]);
    assert_eq!((main.credentials, login), (fixed(Some("me"), "data"), fixed(Some("u"), "p,w")));

    let (main, _, login) = sentinels("mymaster,redis://s1?username=u&password=p", &[("REDIS_SENTINEL_AUTH", "q")]);
    assert_eq!((main.credentials, login), (Credentials::None, fixed(Some("u"), "q")));

    // in the redis-sentinel:// form the login is that of the servers
    let main = main_of(&[("REDIS_URL", "redis-sentinel://:pw@s1/mymaster")]);
    let Topology::Sentinel { credentials, .. } = &main.topology else { unreachable!("{main:?}") };
    assert_eq!((&main.credentials, credentials), (&fixed(None, "pw"), &Credentials::None));

    let tls = sentinels("mymaster,rediss://s1,rediss://s2", &[]).0.tls;
    assert!(tls.is_some());
}

#[test]
fn the_first_login_of_several_is_for_all_sentinels() {
    let two = "mymaster,redis://:one@s1,redis://:two@s2";
    assert_eq!(sentinels(two, &[]).2, fixed(None, "one"));
    let warned = warnings(&[("REDIS_TYPE", "SENTINEL"), ("REDIS_URL", two)]);
    assert!(warned.len() == 1 && warned[0].contains("the first is used for all of them"), "{warned:?}");
    assert_eq!(sentinels("mymaster,s1:1,redis://:two@s2", &[]).2, fixed(None, "two"));
    // the variable decides
    let warned = warnings(&[("REDIS_TYPE", "SENTINEL"), ("REDIS_URL", two), ("REDIS_SENTINEL_AUTH", "three")]);
    assert!(warned.len() == 1 && warned[0].starts_with("REDIS_SENTINEL_AUTH replaces"), "{warned:?}");
}

#[test]
fn the_login_of_a_cluster_goes_to_all_its_nodes() {
    let cluster = |url, auth| main_of(&[("REDIS_TYPE", "CLUSTER"), ("REDIS_URL", url), ("REDIS_AUTH", auth)]);
    let nodes = Topology::Cluster(vec![server("n1", 6379), server("n2", 7000)]);
    for (url, credentials) in [
        ("redis://n1,redis://n2:7000", Credentials::None),
        ("redis://:pw@n1,redis://:pw@n2:7000", fixed(None, "pw")),
        ("redis://n1,redis://u:pw@n2:7000/0", fixed(Some("u"), "pw")),
        ("redis://u:pw@n1:6379,n2:7000,", fixed(Some("u"), "pw")),
        ("n1:6379, redis://n2:7000?username=u&password=pw", fixed(Some("u"), "pw")),
    ] {
        let main = cluster(url, "");
        assert_eq!((&main.topology, main.credentials), (&nodes, credentials), "{url}");
    }
    let one = cluster("redis://:pw@n1", "");
    assert_eq!((one.topology, one.credentials), (Topology::Cluster(vec![server("n1", 6379)]), fixed(None, "pw")));
    let two = "redis://:hunter1@n1,redis://:hunter2@n2:7000";
    let text = error(&[("REDIS_TYPE", "CLUSTER"), ("REDIS_URL", two)]);
    assert!(text.contains("all have one user and password") && !text.contains("hunter"), "{text}");
    assert_eq!(cluster(two, "three").credentials, fixed(None, "three"));
    assert!(cluster("rediss://n1", "").tls.is_some());
}

#[test]
fn malformed_lists() {
    for (kind, url, part) in [
        ("SENTINEL", "redis://s1:26379", "master,host:port"),
        ("SENTINEL", "redis://s1:26379,redis://s2:26379", "master,host:port"),
        ("SENTINEL", "mymaster,redis://s1/1", "redis-sentinel://host,…/master/1"),
        ("SENTINEL", "mymaster,redis://s1,rediss://s2", "all are reached with TLS, or none"),
        ("SENTINEL", "mymaster,http://s1:1", "host:port or redis://host:port"),
        // the comma of the password splits the list, as in the reference
        ("SENTINEL", "mymaster,redis://:hun,ter2@s1", "percent-encoded"),
        ("CLUSTER", "redis://n1/1", "a cluster does not have"),
        ("CLUSTER", "redis://n1?db=1", "a cluster does not have"),
        ("CLUSTER", "redis://n1,rediss://n2", "all are reached with TLS, or none"),
        ("CLUSTER", "redis://n1:port,redis://n2", "percent-encoded"),
        // lists with the type missing or wrong
        ("SINGLE", "mymaster,envoy-redis.redis.svc:26379", "REDIS_TYPE=SENTINEL"),
        ("", "10.11.0.1:6379,10.12.3.4:6379", "REDIS_TYPE=CLUSTER"),
        ("SENTINEL", "redis://:hunter2@h,serviceName=mymaster", "master,host:port"),
    ] {
        let text = error(&[("REDIS_TYPE", kind), ("REDIS_URL", url)]);
        assert!(text.starts_with("REDIS_URL: ") && text.contains(part), "{kind} {url}: {text}");
        assert!(!text.contains("hunter2") && !text.contains('\n'), "{kind} {url}: {text}");
    }
}

#[test]
fn how_sentinels_and_nodes_are_reached_does_not_matter() {
    for (kind, url) in [("SENTINEL", "m,a:1"), ("CLUSTER", "a:1")] {
        for socket in ["unix", "udp", "tcp4", "tcp"] {
            let environment = [("REDIS_TYPE", kind), ("REDIS_URL", url), ("REDIS_SOCKET_TYPE", socket)];
            let reason = "no effect: REDIS_SOCKET_TYPE: sentinels and cluster nodes are always reached over TCP";
            assert_eq!(
                warnings(&environment),
                [reason.replace("TYPE:", &format!("TYPE={socket}:"))],
                "{kind} {socket}"
            );
        }
    }
    let single = |socket| resolve(&[("REDIS_URL", "h:1"), ("REDIS_SOCKET_TYPE", socket)]);
    for socket in ["tcp4", "TCP6"] {
        let warned = single(socket).expect(socket).warnings;
        assert!(warned.len() == 1 && warned[0].contains("is taken as tcp"), "{warned:?}");
    }
    assert!(single("udp").is_err() && single("unixgram").is_err());
}

#[test]
fn hosts_and_sockets_as_the_reference_dials_them() {
    for (url, host, port) in [
        (":6379", "localhost", 6379),
        ("redis://:6379", "localhost", 6379),
        ("redis://:pw@:7000", "localhost", 7000),
        ("redis://h", "h", 6379),
        ("redis://[::1]", "::1", 6379),
        ("rediss://h/1", "h", 6379),
    ] {
        assert_eq!(main_of(&[("REDIS_URL", url)]).topology, single(host, port), "{url}");
    }
    let unix = |url| main_of(&[("REDIS_URL", url), ("REDIS_SOCKET_TYPE", "unix")]);
    assert_eq!(unix("redis.sock").topology, socket("redis.sock"));
    let with_login = unix("unix:///run/r.sock?username=u&password=p&db=2&x=y");
    assert_eq!((with_login.credentials, with_login.database), (fixed(Some("u"), "p"), 2));
    for url in ["redis://", "redis:///0", "redis://h:0", "redis://h:99999", "me:hunter2"] {
        assert!(resolve(&[("REDIS_URL", url)]).is_err(), "{url}");
    }
}

#[test]
fn connection_strings_of_other_clients_are_refused_with_the_cure_and_without_the_password() {
    let azure = "h.example:6380,password=hunter2=,ssl=True,abortConnect=False";
    for (kind, url) in [
        ("", azure),
        ("SENTINEL", azure),
        ("CLUSTER", azure),
        ("", "h.example:6380, Password = hunter2"),
        ("", "h.example,user=u,password=hunter2"),
        ("", "redis://h.example:6380,password=hunter2,ssl=true"),
        ("CLUSTER", "a:1,b:2,password=hunter2"),
    ] {
        let text = error(&[("REDIS_TYPE", kind), ("REDIS_URL", url)]);
        assert!(text.contains("the password goes to REDIS_AUTH, ssl=True is REDIS_TLS=true"), "{url}: {text}");
        assert!(!text.contains("hunter2") && !text.contains('\n'), "{url}: {text}");
    }
}

#[test]
fn nothing_that_may_be_a_password_is_used_as_a_path_or_a_master_name() {
    for url in ["/tmp/x.sock?password=hunter2", "/u:hunter2@host:1", "./u:hunter2@h", "/tmp/x.sock#hunter2"] {
        for socket in ["", "unix", "UNIX"] {
            let text = error(&[("REDIS_URL", url), ("REDIS_SOCKET_TYPE", socket)]);
            assert!(text.contains("unix:///path?db=1") && !text.contains("hunter2"), "{url}: {text}");
        }
    }
    for url in ["x.sock?password=hunter2", "x.sock#hunter2", "hunter2@x.sock"] {
        let text = error(&[("REDIS_URL", url), ("REDIS_SOCKET_TYPE", "unix")]);
        assert!(text.starts_with("REDIS_URL: ") && !text.contains("hunter2"), "{url}: {text}");
    }
    for (kind, url) in [
        ("", "unix:///u:hunter2@h/x.sock"),
        ("", "redis-sentinel://h1/hunter2@x/1"),
        ("", "rediss-sentinel://h1/:hunter2@x"),
        ("SENTINEL", "u:hunter2@h:1,h:2"),
        ("SENTINEL", "hunter2@m,h:2"),
        ("SENTINEL", "me:hunter2,h:2"),
    ] {
        let text = error(&[("REDIS_TYPE", kind), ("REDIS_URL", url)]);
        assert!(text.starts_with("REDIS_URL: ") && !text.contains("hunter2"), "{url}: {text}");
    }
    // percent-encoded, it is accepted
    assert_eq!(main_of(&[("REDIS_URL", "unix:///a%40b")]).topology, socket("/a@b"));
    let main = main_of(&[("REDIS_URL", "redis-sentinel://h1/m%40x")]);
    assert!(matches!(main.topology, Topology::Sentinel { master, .. } if master == "m@x"));
}

#[test]
fn a_placeholder_that_was_not_replaced_is_reported() {
    for url in ["redis://:$(hunter2)@h:1", "redis://u:${hunter2}@h", "redis://h?password=$(hunter2)"] {
        let warned = warnings(&[("REDIS_URL", url)]);
        assert!(warned.len() == 1 && warned[0].contains("was not replaced"), "{url}: {warned:?}");
        assert!(warned[0].starts_with("REDIS_URL ") && !warned[0].contains("hunter2"), "{url}: {warned:?}");
    }
    for (kind, url) in [
        ("", "redis://$(REDIS_HOST):6379"),
        ("", "${REDIS_HOST}:6379"),
        ("", "$(REDIS_URL)"),
        ("", "redis://:pw@h:$(REDIS_PORT)"),
        ("SENTINEL", "m,$(SENTINEL_HOST):26379"),
        ("CLUSTER", "$(NODE):6379"),
    ] {
        let text = error(&[("REDIS_TYPE", kind), ("REDIS_URL", url)]);
        assert!(text.contains("was not replaced") && text.contains(" is not "), "{url}: {text}");
    }
    for url in ["redis://:$pw@h:1", "redis://:a$(b@h:1", "redis://:$2y$10$x@h:1"] {
        assert_eq!(warnings(&[("REDIS_URL", url)]), [""; 0], "{url}");
    }
}
