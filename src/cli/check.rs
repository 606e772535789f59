//! `check`: sends one real call to a running service, and prints the answer as text.

use std::{error::Error as _, fmt::Write as _};

use envoy_types::pb::envoy::{
    extensions::common::ratelimit::v3::{RateLimitDescriptor, rate_limit_descriptor::Entry},
    service::ratelimit::v3::{
        RateLimitRequest, RateLimitResponse,
        rate_limit_response::{Code, DescriptorStatus},
        rate_limit_service_client::RateLimitServiceClient,
    },
};
use envoy_types::pb::google::protobuf::UInt64Value;

use super::{
    FAILURE, NO_LIMIT,
    args::CheckArgs,
    channel::{self, ConnectError, GrpcConnection},
    entries::Entries,
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no connection, or it was lost before the answer.
    #[error(transparent)]
    Connection(#[from] ConnectError),
    /// Address and domain seem to be swapped.
    #[error(
        "{domain:?} looks like the address, and {address:?} like the domain: the address comes first, as in `tollgate \
         check {domain} {address} key=value`"
    )]
    Swapped {
        /// The argument that was given as the address.
        address: String,
        /// The argument that was given as the domain.
        domain: String,
    },
    /// The service answered with an error.
    #[error("{address} answered {code:?}: {message}")]
    Refused {
        /// The address as given.
        address: String,
        /// The gRPC status code.
        code: tonic::Code,
        /// The gRPC status message.
        message: String,
    },
    /// The runtime for the call cannot be started.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] std::io::Error),
}

/// The answer to the call.
struct Answer {
    response: RateLimitResponse,
    /// The service reported that no rules have the domain. Only Tollgate does that.
    unknown_domain: bool,
}

/// Calls the service once. Returns the answer as text, and the exit code.
///
/// # Errors
/// If there is no answer.
pub(super) fn check(args: &CheckArgs) -> Result<(String, u8), CheckError> {
    let has_port = |text: &str| text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if !has_port(&args.address) && !args.address.contains("://") && has_port(&args.domain) {
        return Err(CheckError::Swapped { address: args.address.clone(), domain: args.domain.clone() });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(ask(args))?;
    Ok(describe(args, &answer))
}

async fn ask(args: &CheckArgs) -> Result<Answer, CheckError> {
    let address = args.address.clone();
    let connection = GrpcConnection::open(&address, &args.tls).await?;
    let mut request = tonic::Request::new(request(args));
    request.set_timeout(std::time::Duration::from_secs(10));
    let status = match RateLimitServiceClient::new(connection.channel.clone()).should_rate_limit(request).await {
        Ok(answer) => {
            let unknown_domain = answer.metadata().get("x-tollgate-domain").is_some_and(|said| said == "unknown");
            return Ok(Answer { response: answer.into_inner(), unknown_domain });
        }
        Err(status) => status,
    };
    // A status with a source is not an answer of the service: the connection was lost.
    let Some(cause) = status.source() else {
        return Err(CheckError::Refused { address, code: status.code(), message: status.message().to_owned() });
    };
    let (reason, cure) = match connection.rejection_reason().await {
        Some(reason) => reason,
        None => (channel::causes(cause), connection.cure().await),
    };
    Err(ConnectError::Unreachable { address, reason, cure }.into())
}

fn request(args: &CheckArgs) -> RateLimitRequest {
    // for the request as a whole 0 means 1, but for a descriptor it means a look
    let look = (args.hits == 0).then_some(UInt64Value { value: 0 });
    let descriptor = |entries: &Entries| RateLimitDescriptor {
        entries: entries.iter().map(|(key, value)| Entry { key: key.to_owned(), value: value.to_owned() }).collect(),
        hits_addend: look,
        ..RateLimitDescriptor::default()
    };
    RateLimitRequest {
        domain: args.domain.clone(),
        descriptors: args.descriptors.iter().map(descriptor).collect(),
        hits_addend: args.hits,
    }
}

/// The answer as text, and the exit code.
fn describe(args: &CheckArgs, answer: &Answer) -> (String, u8) {
    let Answer { response, unknown_domain } = answer;
    let looked = if args.hits == 0 { " (a look: nothing was charged)" } else { "" };
    let mut text = format!("{}{looked}\n", code(response.overall_code()));
    for (entries, status) in args.descriptors.iter().zip(&response.statuses) {
        let _ = writeln!(text, "  {entries}: {}", describe_status(status));
    }
    for header in &response.response_headers_to_add {
        let _ = writeln!(text, "  header {}: {}", header.key, header.value);
    }
    if response.overall_code() != Code::Ok {
        return (text, FAILURE);
    }
    if response.statuses.iter().any(|status| status.code() != Code::Ok || applies(status)) {
        return (text, 0);
    }
    let domain = &args.domain;
    let _ = if *unknown_domain {
        writeln!(
            text,
            "no limit applies: domain `{domain}` is unknown: no rules of the service have it; `tollgate explain \
             --rules PATH {domain} …` finds the likely one in your rules"
        )
    } else {
        writeln!(
            text,
            "no limit applies: no rule of domain `{domain}` matches, or none are loaded; `tollgate explain --rules \
             PATH {domain} …` explains why"
        )
    };
    (text, NO_LIMIT)
}

/// Whether a rule matched.
fn applies(status: &DescriptorStatus) -> bool {
    status.current_limit.is_some() || is_unlimited(status)
}

fn is_unlimited(status: &DescriptorStatus) -> bool {
    status.limit_remaining == u32::MAX
}

fn describe_status(status: &DescriptorStatus) -> String {
    let code = code(status.code());
    let Some(limit) = &status.current_limit else {
        let why = match status.code() {
            _ if is_unlimited(status) => "unlimited",
            Code::OverLimit => "no rule matches, and the domain denies unknown descriptors",
            _ => "no limit applies",
        };
        return format!("{code}, {why}");
    };
    let name = if limit.name.is_empty() { String::new() } else { format!(" ({})", limit.name) };
    let unit = limit.unit().as_str_name().to_lowercase();
    let reset = match status.duration_until_reset {
        Some(reset) => format!(", resets in {}", humantime::format_duration(reset_after(reset.seconds))),
        None => String::new(),
    };
    format!("{code}, {} of {} per {unit} left{name}{reset}", status.limit_remaining, limit.requests_per_unit)
}

fn reset_after(seconds: i64) -> std::time::Duration {
    std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

fn code(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::OverLimit => "OVER_LIMIT",
        Code::Unknown => "UNKNOWN",
    }
}
