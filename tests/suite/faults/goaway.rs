//! Tests of servers that send the HTTP/2 frame GOAWAY, which closes the connection, during an apply: nothing is lost or
//! created twice.

use amigops::model::Api;

use super::http2_proxy::{Goaway, Http2Proxy};
use crate::harness::{EMPTY, Lab, services};
use crate::on_both_apis;

/// The number of services to create, and the create at which the proxy closes the connection.
const SERVICES: usize = 6;
const AT: usize = 3;

/// Applies through the proxy. Returns the number of creates that the emulator received, and the number of connections
/// to the proxy.
fn apply(api: Api, goaway: Goaway, parallelism: &str) -> (usize, usize) {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&services(SERVICES, ""));
    let certificate = lab.path().join("proxy.pem");
    let proxy = Http2Proxy::start(&lab.server.url(), &certificate, (AT, goaway));
    lab.project_at(&proxy.url, "");
    let trusted = [("SSL_CERT_FILE", certificate.to_str().unwrap())];
    let run = lab.run_with(&["apply", "--auto-approve", "--parallelism", parallelism], &trusted).expect(0);
    assert!(
        run.stderr.contains(&format!("Applied: {SERVICES} steps · read back: converged")),
        "{}",
        run.stderr
    );
    assert_eq!(lab.services().len(), SERVICES, "nothing was created twice");
    let creates = lab.writes().len();
    lab.project("");
    lab.expect_converged();
    (creates, proxy.connections())
}

/// Checks, with one request at a time and with four, that each service is created exactly once and that a second
/// connection is used.
fn expect_one_create_each(api: Api, goaway: Goaway) {
    for parallelism in ["1", "4"] {
        let (creates, connections) = apply(api, goaway, parallelism);
        assert_eq!(creates, SERVICES);
        assert!(connections >= 2, "the first connection was closed");
    }
}

on_both_apis! {
    fn requests_received_before_goaway_are_answered(api: Api) {
        expect_one_create_each(api, Goaway::Gracefully);
    }

    fn a_create_that_took_effect_is_checked_and_not_repeated(api: Api) {
        expect_one_create_each(api, Goaway::AfterThis);
    }

    fn a_create_that_did_not_take_effect_is_retried(api: Api) {
        expect_one_create_each(api, Goaway::BeforeThis);
    }
}

#[test]
fn an_unknown_certificate_is_not_trusted() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&services(1, ""));
    let proxy = Http2Proxy::start(&lab.server.url(), &lab.path().join("proxy.pem"), (1, Goaway::Gracefully));
    lab.project_at(&proxy.url, "");
    let run = lab.run(&["plan"]).expect(1);
    assert!(run.stderr.contains("certificate"), "{}", run.stderr);
    #[cfg(not(any(windows, target_vendor = "apple")))]
    {
        assert!(run.stderr.contains("set SSL_CERT_FILE to a file with it"), "{}", run.stderr);
        let other = lab.path().join("other.pem");
        Http2Proxy::start(&lab.server.url(), &other, (1, Goaway::Gracefully));
        let run = lab.run_with(&["plan"], &[("SSL_CERT_FILE", other.to_str().unwrap())]).expect(1);
        let words = "only the certificates that SSL_CERT_FILE names are trusted";
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    assert_eq!(lab.server.requests(), [], "the key is not sent");
}
