//! Servers that take leave in mid-apply (GOAWAY), over TLS and HTTP/2: nothing is lost, nothing is made twice.

use amigops::model::Api;

use super::gate::{Leave, OpenGate};
use crate::apply::{EMPTY, services};
use crate::harness::Lab;
use crate::on_both_apis;

/// How many services are made, and with which of them the server takes leave.
const SERVICES: usize = 6;
const AT: usize = 3;

/// Applies through a gate that takes leave so; gives how many creates the emulator got, and how many connections
/// the gate.
fn apply(api: Api, leave: Leave, parallelism: &str) -> (usize, usize) {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&services(SERVICES, ""));
    let certificate = lab.path().join("gate.pem");
    let gate = OpenGate::open(&lab.server.url(), &certificate, (AT, leave));
    lab.project_at(&gate.url, "");
    let trusted = [("SSL_CERT_FILE", certificate.to_str().unwrap())];
    let run = lab.run_with(&["apply", "--auto-approve", "--parallelism", parallelism], &trusted).expect(0);
    assert!(
        run.stderr.contains(&format!("Applied: {SERVICES} steps · read back: converged")),
        "{}",
        run.stderr
    );
    assert_eq!(lab.services().len(), SERVICES, "nothing was made twice");
    let creates = lab.writes().len();
    lab.project("");
    lab.expect_converged();
    (creates, gate.connections())
}

/// One request after the other, and four at once.
fn expect_one_create_each(api: Api, leave: Leave) {
    for parallelism in ["1", "4"] {
        let (creates, connections) = apply(api, leave, parallelism);
        assert_eq!(creates, SERVICES);
        assert!(connections >= 2, "the first connection came to its end");
    }
}

on_both_apis! {
    fn what_has_come_is_answered(api: Api) {
        expect_one_create_each(api, Leave::Gracefully);
    }

    fn a_create_that_was_done_is_looked_up_and_not_sent_again(api: Api) {
        expect_one_create_each(api, Leave::Done);
    }

    fn a_create_that_was_not_done_is_sent_again(api: Api) {
        expect_one_create_each(api, Leave::NotDone);
    }
}

#[test]
fn a_certificate_that_nobody_knows_is_not_trusted() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&services(1, ""));
    let gate = OpenGate::open(&lab.server.url(), &lab.path().join("gate.pem"), (1, Leave::Gracefully));
    lab.project_at(&gate.url, "");
    let run = lab.run(&["plan"]).expect(1);
    assert!(run.stderr.contains("certificate"), "{}", run.stderr);
    assert_eq!(lab.server.requests(), [], "nobody was told the key");
}
