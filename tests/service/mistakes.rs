//! Typical mistakes at the command line and in the environment: each has an exit code and a message that names it,
//! nearly always with advice.

use std::process::{Command, Stdio};

use testkit::process::Tollgate;

/// One mistake: the command and its result.
struct Mistake {
    /// `NAME=value` before the command, as in a shell, then the arguments, separated by blanks.
    typed: &'static str,
    code: i32,
    /// A text that names the mistake.
    names: &'static str,
    /// A text of the advice; empty where there is none.
    cure: &'static str,
}

const fn mistake(typed: &'static str, code: i32, names: &'static str, cure: &'static str) -> Mistake {
    Mistake { typed, code, names, cure }
}

/// Those that need no service. `HTTP`, `GRPC` and `DEBUG` stand for the addresses of a running one.
const MISTAKES: &[Mistake] = &[
    // commands and flags
    mistake("serv", 2, "unrecognized subcommand 'serv'", "'serve'"),
    mistake("config/rules", 2, "unrecognized subcommand", "`tollgate --rules config/rules`"),
    mistake("serve config/rules", 2, "unexpected argument", "`tollgate serve --rules config/rules`"),
    mistake("--rule config/rules", 2, "unexpected argument '--rule'", "'--rules'"),
    mistake("--prot 1", 2, "unexpected argument '--prot'", "'--port'"),
    mistake("--rules", 2, "a value is required for '--rules <PATH>'", "--rules <PATH>"),
    mistake("--port 99999", 2, "--port (PORT): \"99999\"", "a port from 0 to 65535"),
    mistake("--failure-mode open", 2, "--failure-mode (FAILURE_MODE): \"open\"", "error, allow, deny or local"),
    mistake("doctor --timeout 5", 2, "invalid value '5'", "for example 5sec or 5ms"),
    // rules
    mistake("validate", 2, "required arguments", "<PATH>..."),
    mistake("validate no/such", 1, "no/such does not exist", "create it, or correct the path"),
    mistake("validate README.md", 1, "README.md:4:64: bad YAML", ""),
    mistake("validate config/rules --defaults no/such", 1, "no/such does not exist", "create it, or correct the path"),
    mistake("validate deploy/kubernetes/service.yaml", 1, "they contain no rules", "in the `data` of a ConfigMap"),
    mistake("validate config/defaults.yaml", 1, "a file of defaults for domains is not a rule file", "RULE_DEFAULTS"),
    mistake("validate tests/fixtures/rules/faulty/five.yaml", 1, "rate_limt", "did you mean `rate_limit`?"),
    mistake("explain demo path=/x", 2, "--rules <PATH>", "tollgate explain --rules <PATH>"),
    mistake(
        "explain config/rules demo path=/x",
        2,
        "has no value",
        "`tollgate explain --rules config/rules demo path=/x`",
    ),
    mistake("explain --rules config/rules demo", 2, "required arguments", "<KEY=VALUE,…>"),
    mistake("explain --rules config/rules demo path", 2, "\"path\" has no value", "write key=value"),
    mistake("explain --rules config/rules path=/hello", 2, "the domain is missing", "DOMAIN path=/hello"),
    mistake("explain --rules config/rules dmeo path=/hello", 3, "domain `dmeo` is unknown", "did you mean `demo`?"),
    mistake("explain --rules config/rules Demo path=/hello", 3, "domain `Demo` is unknown", "did you mean `demo`?"),
    mistake("explain --rules config/rules demo plan=free", 3, "no limit applies", "the limits are deeper"),
    mistake("explain --rules config/rules demo pat=/hello", 3, "nothing in the domain matches entry 1", ""),
    // check
    mistake("check", 2, "required arguments", "tollgate check <ADDR> <DOMAIN> <KEY=VALUE,…>"),
    mistake("check localhost demo path=/x", 2, "the port is missing", "such as localhost:8081"),
    mistake("check :8081 demo path=/x", 2, "the host is missing", "such as localhost:8081"),
    mistake("check localhost:80x demo path=/x", 2, "`80x` is not a port", "such as localhost:8081"),
    mistake("check demo localhost:8081 path=/x", 2, "the address comes first", "`tollgate check localhost:8081 demo"),
    mistake("check localhost:8081 path=/x", 2, "the domain is missing", "localhost:8081 DOMAIN path=/x"),
    mistake("check localhost:8081 demo path:/x", 2, "\"path:/x\" has no value", "write key=value"),
    mistake("check localhost:8081 demo path=/x --hits -1", 2, "invalid value '-1'", "a whole number, 0 or more"),
    mistake("check localhost:8081 demo path=/x --cert c.pem", 2, "required arguments", "--key <PATH>"),
    mistake("check localhost:8081 demo path=/x --ca no.pem", 2, "no.pem: No such file", "--ca"),
    mistake("check 127.0.0.1:1 demo path=/x", 2, "Connection refused", "is the service running"),
    mistake("check HTTP demo path=/x", 2, "cannot reach", "give the gRPC port, 8081 by default"),
    mistake("check DEBUG demo path=/x", 2, "cannot reach", "give the gRPC port, 8081 by default"),
    mistake("check GRPC demo path=/x --tls", 2, "cannot reach", "it does not speak TLS"),
    mistake("check GRPC dmeo path=/x", 3, "domain `dmeo` is unknown", "`tollgate explain"),
    mistake("check GRPC demo pth=/x", 3, "no rule of domain `demo` matches", "`tollgate explain"),
    mistake("health 127.0.0.1:1", 1, "Connection refused", "is the service running"),
    // the environment
    mistake("PORT=http", 2, "PORT: \"http\"", "a port from 0 to 65535"),
    mistake("PORT=:8080", 2, "PORT: \":8080\"", "leave the colon out"),
    mistake("GRPC_PORT=tcp://10.0.0.1:8081", 2, "Kubernetes sets such a value", "enableServiceLinks: false"),
    mistake("PROMETHEUS_ADDR=9090", 2, "PROMETHEUS_ADDR: \"9090\"", ":9090"),
    mistake("LOG_LEVEL=verbose", 2, "LOG_LEVEL: \"verbose\"", "trace, debug, info"),
    mistake("BACKEND_TYPE=memroy", 2, "BACKEND_TYPE: \"memroy\"", "memory, redis or memcache"),
    mistake("BACKEND_TYPE=memcache", 2, "not supported yet", "set BACKEND_TYPE=redis or BACKEND_TYPE=memory"),
    mistake("FAILURE_MODE=open", 2, "FAILURE_MODE: \"open\"", "error, allow, deny or local"),
    mistake("ON_INVALID_REQUEST=reject", 2, "ON_INVALID_REQUEST: \"reject\"", "error or deny"),
    mistake("REFUNDS=no", 2, "REFUNDS: \"no\"", "allow or deny"),
    mistake("SHADOW_MODE=yes", 2, "SHADOW_MODE: \"yes\"", "true or false"),
    mistake("NEAR_LIMIT_RATIO=80%", 2, "NEAR_LIMIT_RATIO: \"80%\"", "such as 0.8"),
    mistake("DRAIN_DELAY=5", 2, "DRAIN_DELAY: \"5\"", "such as 10s"),
    mistake("WORKERS=0", 2, "WORKERS: \"0\"", "from 1 to 1024"),
    mistake("MAX_REQUEST_BYTES=4MiB", 2, "MAX_REQUEST_BYTES: \"4MiB\"", "a whole number"),
    mistake("CONFIG_TYPE=xds", 2, "CONFIG_TYPE: \"xds\"", "GRPC_XDS_SOTW"),
    mistake("GRPC_SERVER_USE_TLS=true", 2, "GRPC_SERVER_USE_TLS=true needs it", "GRPC_SERVER_TLS_CERT"),
    mistake("HTTP_TLS_CERT=a.crt", 2, "HTTP_TLS_CERT=a.crt needs it", "HTTP_TLS_KEY"),
    mistake("REDIS_URL=redis", 2, "REDIS_URL: \"redis\"", "host:port"),
    mistake("REDIS_URL=http://redis:6379", 2, "REDIS_URL: \"http://redis:6379\"", "begins with redis"),
    mistake("REDIS_URL=a:1 REDIS_TIMEOUT=100", 2, "REDIS_TIMEOUT: \"100\"", "such as 100ms"),
    mistake("REDIS_URL=a:1 REDIS_TYPE=sentinal", 2, "REDIS_TYPE: \"sentinal\"", "SINGLE, SENTINEL or CLUSTER"),
];

fn run(typed: &str, service: &Tollgate) -> (Option<i32>, String) {
    let words = typed.split(' ').map(|word| match word {
        "HTTP" => service.address("http").to_string(),
        "GRPC" => service.address("grpc").to_string(),
        "DEBUG" => service.address("debug").to_string(),
        word => word.to_owned(),
    });
    let is_variable = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    let (variables, args): (Vec<_>, Vec<_>) = words.partition(is_variable);
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .envs(variables.iter().filter_map(|word| word.split_once('=')))
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let printed = [output.stdout, output.stderr].map(|printed| String::from_utf8(printed).expect("UTF-8")).concat();
    (output.status.code(), printed)
}

#[test]
fn each_is_named_and_nearly_each_has_advice() {
    let service = testkit::tollgate!(
        "domain: demo\ndescriptors: [{key: path, value: /x, rate_limit: {unit: day, requests_per_unit: 9}}]\n",
    );
    println!("| typed | exit code | message | names the cure |\n|---|---|---|---|");
    let mut faults = Vec::new();
    for Mistake { typed, code, names, cure } in MISTAKES {
        let (found, printed) = run(typed, &service);
        if found != Some(*code) || !printed.contains(names) || !printed.contains(cure) {
            faults.push(format!("{typed}: exit {found:?}, '{names}' and '{cure}' are not both in:\n{printed}"));
        }
        // the line that names it, and the one with the advice
        let line = |part: &str| printed.lines().find(|line| line.contains(part)).unwrap_or_default().trim().to_owned();
        let (first, second) = (line(names), line(cure));
        let both = if cure.is_empty() || first == second { first } else { format!("{first} … {second}") };
        println!("| `{typed}` | {code} | {both} | {} |", if cure.is_empty() { "no" } else { "yes" });
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(MISTAKES.len() >= 50);
    let without = MISTAKES.iter().filter(|mistake| mistake.cure.is_empty()).count();
    assert!(without <= 2, "{without} mistakes without advice");
}
