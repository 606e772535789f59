//! One server.

use tollgate::store::redis::{CallError, Script};

use crate::{
    calls::{connected, look, tcp, unix},
    server::Redis,
};

#[tokio::test]
async fn by_sha_and_by_text() {
    let redis = Redis::start(&[]);
    for endpoint in [tcp(&redis), unix(&redis)] {
        redis.cli(&["SCRIPT", "FLUSH"]);
        let client = connected(&endpoint).await;
        let error = look(&client, Script::Sha1).await.expect_err("no such script yet");
        assert!(matches!(&error, CallError::Refused(text) if text.starts_with("NOSCRIPT ")), "{error}");
        look(&client, Script::Text).await.expect("a reply");
        look(&client, Script::Sha1).await.expect("a reply");
    }
}
