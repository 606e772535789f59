//! Requests that get an error, and harm no other.

use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, rate_limit_response::Code};
use testkit::rls::{ask, client, request};
use tonic::Code as Grpc;

use super::RULES;

#[tokio::test]
async fn invalid_requests_get_an_error() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    let mut refused = async |request: RateLimitRequest| {
        let error = client.should_rate_limit(request).await.expect_err("refused");
        (error.code(), error.message().to_owned())
    };
    let (code, message) = refused(request("", &[&[("path", "/a")]])).await;
    assert_eq!((code, message.as_str()), (Grpc::InvalidArgument, "rate limit domain must not be empty"));
    let (code, message) = refused(request("shop", &[])).await;
    assert_eq!((code, message.as_str()), (Grpc::InvalidArgument, "rate limit descriptor list must not be empty"));
    let (code, message) = refused(request("shop", &vec![&[("path", "/a")][..]; 2000])).await;
    assert_eq!(code, Grpc::InvalidArgument);
    assert!(message.contains("2000") && message.contains("MAX_DESCRIPTORS"), "{message}");
    let (code, message) = refused(request("shop", &[&vec![("path", "/a"); 2000]])).await;
    assert_eq!(code, Grpc::InvalidArgument);
    assert!(message.contains("2000") && message.contains("MAX_ENTRIES"), "{message}");
    let megabytes = "x".repeat(8 << 20);
    let (code, message) = refused(request("shop", &[&[("path", &megabytes)]])).await;
    assert_eq!(code, Grpc::ResourceExhausted);
    assert!(message.contains("vs. 4194304, setting MAX_REQUEST_BYTES"), "{message}");

    // none of it had any effect
    let answer = client.should_rate_limit(request("shop", &[&[("path", "/a")]])).await.expect("an answer");
    assert_eq!(answer.into_inner().overall_code(), Code::Ok);
}

#[tokio::test]
async fn text_that_is_not_utf_8_fails_that_call_only() {
    let tollgate = testkit::tollgate!(RULES);
    let address = tollgate.address("grpc");
    // domain (field 1), two bytes that are not UTF-8, in a gRPC frame
    let message = [0x0a, 2, 0xff, 0xfe];
    let mut framed = vec![0, 0, 0, 0, 4];
    framed.extend(message);
    let stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let post =
        hyper::Request::post(format!("http://{address}/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(http_body_util::Full::<bytes::Bytes>::from(framed))
            .expect("a valid request");
    let response = send.send_request(post).await.expect("an answer");
    let status = response.headers().get("grpc-status").expect("an error without a body has its status in the head");
    assert_ne!(status, "0");
    connection.abort();
    let answer = ask(&mut client(address), request("shop", &[&[("path", "/a")]])).await;
    assert_eq!(answer.overall_code(), Code::Ok);
}
