//! A small HTTP/1.1 client with a connection pool.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};

#[derive(Clone)]
pub struct Client(Pool<HttpConnector, Full<Bytes>>);

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Client {
    pub fn new() -> Self {
        Self(Pool::builder(TokioExecutor::new()).build_http())
    }

    pub async fn send(
        &self,
        method: Method,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).expect("a valid request");
        let response = self.0.request(request).await.map_err(|error| format!("{error:?}"))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    pub async fn get(&self, address: SocketAddr, path: &str) -> Answer {
        self.get_with(address, path, &[]).await
    }

    pub async fn get_with(&self, address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, address, path, headers, "").await.expect("an HTTP answer")
    }

    pub async fn post(&self, address: SocketAddr, path: &str, body: &str) -> Answer {
        self.send(Method::POST, address, path, &[], body).await.expect("an HTTP answer")
    }
}
