//! Parses the command line. Nothing is run here, and the environment is not read.
//!
//! `serve` has a flag for each of the common variables. Its help and default come from the table of
//! [`crate::settings`], which also parses its value, so that all errors in flags and variables are reported together.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgMatches, Args, FromArgMatches, Parser, Subcommand};
use rustls::pki_types::ServerName;

use super::bench::BenchArgs;
use super::doctor::DoctorArgs;
use super::entries::Entries;
use super::serve_flags::{SERVE_FLAGS, overrides, serve_flags};
use crate::settings::{Override, later_features, other_variables};

/// The command to run.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Command {
    /// Answer rate limit requests (the default)
    Serve(ServeArgs),
    /// Check rules, and report every error with its file and line
    Validate(ValidateArgs),
    /// Check everything that the service needs: settings, rules, ports, certificates, Redis, xDS
    Doctor(DoctorArgs),
    /// Show which rule a descriptor matches, and why
    Explain(ExplainArgs),
    /// Send one request to a running service, which charges its hits
    Check(CheckArgs),
    /// Generate load for any rate limit service, and measure its answers
    Bench(Box<BenchArgs>),
    /// Check whether the service in this container is healthy: for HEALTHCHECK and exec probes
    Health(HealthArgs),
}

/// `serve`: the values of the given flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeArgs {
    /// The argument of [`Settings::resolve`](crate::settings::Settings::resolve).
    pub overrides: Vec<Override>,
}

/// `validate PATH…`
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = VALIDATE_HELP)]
pub struct ValidateArgs {
    /// Files, directories with all their files, or - for standard input. In Kubernetes manifests, the rules in
    /// ConfigMaps are checked
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Defaults for the rules, as with RULE_DEFAULTS
    #[arg(long, value_name = "PATH")]
    pub defaults: Option<PathBuf>,
    /// Several files may add rules to one domain, as with MERGE_DOMAIN_CONFIG=true
    #[arg(long)]
    pub merge_domain_config: bool,
}

/// `explain --rules PATH DOMAIN k=v,k=v…`
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = EXPLAIN_HELP)]
pub struct ExplainArgs {
    /// The rules: a file, a directory with all its files, or - for standard input
    #[arg(long, value_name = "PATH")]
    pub rules: PathBuf,
    /// Defaults for the rules, as with RULE_DEFAULTS
    #[arg(long, value_name = "PATH")]
    pub defaults: Option<PathBuf>,
    /// Several files may add rules to one domain, as with MERGE_DOMAIN_CONFIG=true
    #[arg(long)]
    pub merge_domain_config: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The domain
    pub domain: String,
    /// The descriptors of one request
    #[arg(required = true, value_name = "KEY=VALUE,…")]
    pub descriptors: Vec<Entries>,
}

/// `check ADDR DOMAIN k=v,k=v…`
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = CHECK_HELP)]
pub struct CheckArgs {
    /// The service's gRPC address, such as localhost:8081
    #[arg(value_name = "ADDR")]
    pub address: String,
    /// The domain
    pub domain: String,
    /// The descriptors of one request
    #[arg(required = true, value_name = "KEY=VALUE,…")]
    pub descriptors: Vec<Entries>,
    /// How many hits to charge; 0 checks without charging
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = hits, allow_negative_numbers = true)]
    pub hits: u32,
    /// The TLS options of the connection.
    #[command(flatten)]
    pub tls: TlsArgs,
}

fn hits(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "give a whole number, 0 or more")
}

/// TLS options; any of them enables TLS.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Connect over TLS; implied by the options below, and by an address that begins with https://
    #[arg(long)]
    pub tls: bool,
    /// PEM file of the CAs that may have issued the service's certificate [default: the system's CAs]
    #[arg(long, value_name = "PATH")]
    pub ca: Option<PathBuf>,
    /// PEM file of the client certificate to present (mTLS)
    #[arg(long, value_name = "PATH", requires = "key")]
    pub cert: Option<PathBuf>,
    /// PEM file of the client certificate's key
    #[arg(long, value_name = "PATH", requires = "cert")]
    pub key: Option<PathBuf>,
    /// The name that the service's certificate must be for [default: the address's host]
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<CertificateName>,
}

impl TlsArgs {
    /// Whether any of the options enables TLS.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.tls || self.ca.is_some() || self.cert.is_some() || self.server_name.is_some()
    }
}

/// A name or an address that a certificate can be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateName(pub ServerName<'static>);

impl FromStr for CertificateName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = ServerName::try_from(text).map_err(|_| "give a DNS name or an IP address")?;
        Ok(Self(name.to_owned()))
    }
}

/// `health [ADDRESS]`
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = HEALTH_HELP)]
pub struct HealthArgs {
    /// The service's HTTP address, such as localhost:8080, or the URL of a page, such as http://localhost:8080/readyz;
    /// https:// for TLS, any certificate is accepted [default: from HOST, PORT and HTTP_TLS_CERT in the environment]
    #[arg(value_name = "ADDRESS")]
    pub address: Option<String>,
}

const HEALTH_HELP: &str = r"The page is /healthcheck unless ADDRESS has one.
Exit code 0: it answers OK. 1: it does not within 3 seconds; standard error has the reason.
If the service's port is set by a flag (serve --port), give the ADDRESS.";

const VALIDATE_HELP: &str = "\
Exit code 0: the rules are valid; warnings and notes report what may be unintended. 1: they have errors, or cannot be
read. 2: usage error.
  kubectl get configmap NAME -o yaml | tollgate validate -
  helm template CHART | tollgate validate -";

/// The syntax of a descriptor. A macro, so that the help of commands can contain it.
macro_rules! entries_help {
    () => {
        r"Each argument is a descriptor: its entries in order, separated by commas: country=de,path=/login
A comma in a key or a value, an equals sign in a key, and a backslash are escaped with a backslash: list=a\,b
"
    };
}

const EXPLAIN_HELP: &str = concat!(
    entries_help!(),
    r"Exit code 0: a rule applies. 1: the rules have errors, or cannot be read. 2: usage error. 3: no limit applies: the
domain is unknown, or no rule matches. Several descriptors form one request: 3 if none of them has a rule."
);

const CHECK_HELP: &str = concat!(
    entries_help!(),
    r"Exit code 0: the request may pass. 1: it may not. 2: no answer, or a usage error. 3: it may pass because no limit
applies: the domain is unknown, or no rule matches. Several descriptors form one request: 3 if none of them has a rule."
);

#[derive(Debug, Parser)]
#[command(
    name = "tollgate",
    version,
    about = "The rate limit service for Envoy and Istio",
    after_help = "Without a command it serves, configured by the environment alone: see `tollgate serve --help`.\n\
        Exit code 0: success. 1: failure, or the answer is no. 2: usage error, or no answer. 3: no limit applies. \
        `--help` of a command lists its own.",
    subcommand_required = true,
    arg_required_else_help = false
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// Parses `argv`, which begins with the program's name. The default command is `serve`, whatever the program's name, so
/// that a link named `ratelimit` can replace that program.
///
/// # Errors
/// If the command line is invalid, or requests help or the version; `exit_code` and `print` of the error handle both.
pub fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let mut argv: Vec<OsString> = argv.into_iter().collect();
    if argv.is_empty() {
        argv.push("tollgate".into());
    }
    let first = argv.get(1).map(|word| word.to_string_lossy());
    let serves = match first.as_deref() {
        None => true,
        Some("-h" | "--help" | "-V" | "--version") => false,
        Some(word) => word.starts_with('-'),
    };
    if serves {
        argv.insert(1, "serve".into());
    }
    CommandLine::try_parse_from(argv).map(|line| line.command)
}

impl Args for ServeArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let others = other_variables(|name| SERVE_FLAGS.iter().any(|(_, variable, _)| *variable == name), 96);
        command.args(serve_flags()).after_help(format!(
            "A flag overrides its variable. Variables without a flag:\n{others}\
             docs/settings.md describes all of them, and those of features that do not exist yet:\n  {}.\n\
             Exit code 0: stopped by a signal. 1: it could not start, or a part of it failed. 2: a variable or a flag \
             is invalid, or a Redis did not answer within REDIS_STARTUP_MAX_ELAPSED_TIME.",
            later_features()
        ))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { overrides: overrides(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::{
        cli::serve_flags::variable_named,
        settings::{Effect, TABLE},
    };

    fn parse_words(words: &[&str]) -> Result<Command, clap::Error> {
        parse(words.iter().map(OsString::from))
    }

    fn overrides(words: &[&str]) -> Vec<(&'static str, String)> {
        let Command::Serve(serve) = parse_words(words).expect("a command line") else { unreachable!("not serve") };
        serve.overrides.iter().map(|one| (one.variable, one.value.to_string_lossy().into_owned())).collect()
    }

    #[test]
    fn the_definition_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn no_command_serves_under_any_name() {
        for argv in [&[][..], &["tollgate"], &["tollgate", "serve"], &["/bin/ratelimit"], &["ratelimit"]] {
            assert_eq!(overrides(argv), [], "{argv:?}");
        }
        let port = [("PORT", "1".to_owned())];
        assert_eq!(overrides(&["tollgate", "--port", "1"]), port);
        assert_eq!(overrides(&["/bin/ratelimit", "--port=1"]), port);
        assert_eq!(overrides(&["tollgate", "serve", "--port", "1"]), port);
    }

    #[test]
    fn every_flag_overrides_its_variable() {
        for (flag, variable, _) in SERVE_FLAGS {
            assert_eq!(overrides(&["tollgate", flag, "x"]), [(*variable, "x".to_owned())], "{flag}");
            assert_eq!(variable_named(variable).name, *variable);
        }
    }

    #[test]
    fn errors_and_help_have_their_exit_codes() {
        for (argv, code) in [
            (&["tollgate", "--help"][..], 0),
            (&["tollgate", "-V"], 0),
            (&["tollgate", "serve", "--help"], 0),
            (&["tollgate", "bogus"], 2),
            (&["tollgate", "--bogus"], 2),
            (&["tollgate", "serve", "stray"], 2),
            (&["tollgate", "--port", "1", "--port", "2"], 2),
            (&["tollgate", "validate"], 2),
            (&["tollgate", "explain", "d", "k=v"], 2),
            (&["tollgate", "check", "a:1", "d"], 2),
            (&["tollgate", "check", "a:1", "d", "k"], 2),
            (&["tollgate", "check", "a:1", "d", "k=v", "--hits", "-1"], 2),
            (&["tollgate", "check", "a:1", "d", "k=v", "--cert", "c"], 2),
            (&["tollgate", "check", "a:1", "d", "k=v", "--server-name", "a b"], 2),
        ] {
            assert_eq!(parse_words(argv).expect_err("an error").exit_code(), code, "{argv:?}");
        }
    }

    #[test]
    fn the_other_commands_parse_their_arguments() {
        let entries = |text: &str| text.parse::<Entries>().expect("entries");
        assert_eq!(
            parse_words(&["tollgate", "validate", "a", "b", "--defaults", "c"]).expect("validate"),
            Command::Validate(ValidateArgs {
                paths: vec!["a".into(), "b".into()],
                defaults: Some("c".into()),
                merge_domain_config: false,
            })
        );
        assert_eq!(
            parse_words(&["tollgate", "explain", "--rules", "r", "--json", "d", "k=v,l=w", "m=x"]).expect("explain"),
            Command::Explain(ExplainArgs {
                rules: "r".into(),
                defaults: None,
                merge_domain_config: false,
                json: true,
                domain: "d".to_owned(),
                descriptors: vec![entries("k=v,l=w"), entries("m=x")],
            })
        );
        assert_eq!(
            parse_words(&["tollgate", "check", "localhost:8081", "d", "k=v", "--hits", "3"]).expect("check"),
            Command::Check(CheckArgs {
                address: "localhost:8081".to_owned(),
                domain: "d".to_owned(),
                descriptors: vec![entries("k=v")],
                hits: 3,
                tls: TlsArgs::default(),
            })
        );
        let words =
            ["tollgate", "check", "a:1", "d", "k=v", "--cert", "c", "--key", "k", "--server-name", "envoy.example"];
        let Command::Check(check) = parse_words(&words).expect("check") else { unreachable!("not check") };
        let name = CertificateName("envoy.example".try_into().expect("a name"));
        let tls =
            TlsArgs { cert: Some("c".into()), key: Some("k".into()), server_name: Some(name), ..TlsArgs::default() };
        assert_eq!(check.tls, tls);
        assert!(check.tls.enabled());
        assert_eq!(
            parse_words(&["tollgate", "health"]).expect("health"),
            Command::Health(HealthArgs { address: None })
        );
    }

    #[test]
    fn the_help_of_serve_names_every_variable_that_works() {
        let help = parse_words(&["tollgate", "serve", "--help"]).expect_err("help").to_string();
        for variable in TABLE.iter().filter(|variable| matches!(variable.effect, Effect::Works | Effect::Ours)) {
            let listed = help
                .split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_')
                .any(|word| word == variable.name);
            assert!(listed, "{} is not in the help:\n{help}", variable.name);
        }
    }
}
