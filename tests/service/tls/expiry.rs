//! A certificate that is about to expire.

use crate::tls::service::builder;
use testkit::{
    certificates::{Authority, Leaf},
    tls::{client::SERVER, secret::Secret},
};

#[tokio::test]
async fn an_expiry_that_is_near_is_logged_once() {
    let ca = Authority::new("ca");
    let names = format!("DNS:{SERVER}");
    let mut secret = Secret::of(&ca.issue(Leaf { names: &names, since_days: 94, days: 100 }), &ca.pem.certificate);
    let tollgate = builder(&secret).start();
    let logged = tollgate.wait_for_log(" expires on ");
    assert!(
        logged.contains("in 5days 23h") && logged.contains(secret.path("tls.crt").to_str().expect("UTF-8")),
        "{logged}"
    );
    assert!(logged.contains("\"level\":\"warning\"") && logged.contains("\"listener\":\"grpc\""), "{logged}");
    // Another certificate is logged at once, as several checks have passed in between.
    secret.put_identity(&ca.issue(Leaf { names: &names, since_days: 98, days: 100 }), &ca.pem.certificate);
    tollgate.wait_for_log("in 1day 23h");
    assert_eq!(tollgate.wait_for_lines(" expires on ", 2).len(), 2);
}
