//! `check`: one real call to a running service, with an answer that a person can read.

use std::{error::Error as _, fmt::Write as _};

use envoy_types::pb::envoy::{
    extensions::common::ratelimit::v3::{RateLimitDescriptor, rate_limit_descriptor::Entry},
    service::ratelimit::v3::{
        RateLimitRequest, RateLimitResponse,
        rate_limit_response::{Code, DescriptorStatus},
        rate_limit_service_client::RateLimitServiceClient,
    },
};

use super::{
    args::CheckArgs,
    channel::{self, Way},
    entries::Entries,
};
use crate::tls::TlsError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The address cannot be one.
    #[error("{address:?} is no gRPC address: {reason}; give host:port, such as localhost:8081")]
    Address {
        /// As typed.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file for TLS cannot be used.
    #[error("{0} (--ca, --cert, --key)")]
    Tls(#[from] TlsError),
    /// Nobody answers there.
    #[error(
        "cannot reach {address}: {reason}; is the service running, is this its gRPC port (8081 by default), and does it speak \
         TLS (--tls) or not?"
    )]
    Unreachable {
        /// As typed.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// The service answered with an error.
    #[error("{address} answered {code:?}: {message}")]
    Refused {
        /// As typed.
        address: String,
        /// The gRPC code.
        code: tonic::Code,
        /// What it said.
        message: String,
    },
    /// There is no runtime to make the call on.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Asks once. Gives the answer as text, and whether the request may pass.
///
/// # Errors
/// If there is no answer.
pub(super) fn check(args: &CheckArgs) -> Result<(String, bool), CheckError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(ask(args))?;
    Ok((describe(args, &answer), answer.overall_code() == Code::Ok))
}

async fn ask(args: &CheckArgs) -> Result<RateLimitResponse, CheckError> {
    let address = args.address.clone();
    let way = Way::open(&address, &args.tls).await?;
    let mut request = tonic::Request::new(request(args));
    request.set_timeout(std::time::Duration::from_secs(10));
    let status = match RateLimitServiceClient::new(way.channel.clone()).should_rate_limit(request).await {
        Ok(answer) => return Ok(answer.into_inner()),
        Err(status) => status,
    };
    // What has a cause is no answer: the connection broke.
    let Some(cause) = status.source() else {
        return Err(CheckError::Refused { address, code: status.code(), message: status.message().to_owned() });
    };
    let reason = way.objection().await.unwrap_or_else(|| channel::causes(cause));
    Err(CheckError::Unreachable { address, reason })
}

fn request(args: &CheckArgs) -> RateLimitRequest {
    let descriptor = |entries: &Entries| RateLimitDescriptor {
        entries: entries.iter().map(|(key, value)| Entry { key: key.to_owned(), value: value.to_owned() }).collect(),
        ..RateLimitDescriptor::default()
    };
    RateLimitRequest {
        domain: args.domain.clone(),
        descriptors: args.descriptors.iter().map(descriptor).collect(),
        hits_addend: args.hits,
    }
}

fn describe(args: &CheckArgs, answer: &RateLimitResponse) -> String {
    let mut text = format!("{}\n", code(answer.overall_code()));
    for (entries, status) in args.descriptors.iter().zip(&answer.statuses) {
        let _ = writeln!(text, "  {entries}: {}", describe_status(status));
    }
    for header in &answer.response_headers_to_add {
        let _ = writeln!(text, "  header {}: {}", header.key, header.value);
    }
    text
}

fn describe_status(status: &DescriptorStatus) -> String {
    let code = code(status.code());
    let Some(limit) = &status.current_limit else {
        let why = if status.limit_remaining == u32::MAX { "unlimited" } else { "no limit applies" };
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
