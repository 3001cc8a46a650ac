//! Tests of tokens and keys that become invalid during an apply.

use std::time::Duration;

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, faults, services};

const STEPS: &str = "Applied: 3 steps · read back: converged";

fn count(lab: &Lab, part: &str, status: u16) -> usize {
    let requests = lab.server.requests();
    requests.iter().filter(|record| record.path.contains(part) && record.status == Some(status)).count()
}

#[test]
fn a_token_that_expires_during_a_run_is_renewed() {
    let lab = Lab::on_with(Api::Classic, EMPTY, |options| {
        options.token_lifetime = Duration::from_secs(3);
        // The request takes longer than the lifetime of its token.
        options.faults = faults("{method: POST, path: /service, nth: 2, fault: delay, millis: 3200}");
    });
    lab.manifests(&services(3, ""));
    let run = lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(0);
    assert!(run.stderr.contains(STEPS), "{}", run.stderr);
    let refused = count(&lab, "/service", 401);
    assert!(refused >= 1, "it was refused for its token");
    assert!(count(&lab, "signin", 200) >= 2);
    assert_eq!((lab.writes().len() - refused, lab.services().len()), (3, 3));
    lab.expect_converged();
}

#[test]
fn an_unexpected_401_leads_to_a_new_sign_in() {
    let rule = "{path: /service, nth: 4, fault: answer, status: 401, body: '{\"detail\":\"expired\"}'}";
    let lab = Lab::with_faults(Api::Classic, EMPTY, rule);
    lab.manifests(&services(3, ""));
    let run = lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(0);
    assert!(run.stderr.contains(STEPS), "{}", run.stderr);
    assert_eq!((count(&lab, "/service", 401), count(&lab, "signin", 200)), (1, 2));
    assert_eq!((lab.writes().len(), lab.services().len()), (4, 3));
    lab.expect_converged();
}

#[test]
fn a_key_refused_during_an_apply_leaves_the_rest_to_the_next_run() {
    let rule = "{method: POST, path: /services, nth: 2, fault: answer, status: 401, body: '{\"detail\":\"revoked\"}'}";
    let lab = Lab::with_faults(Api::Platform, EMPTY, rule);
    lab.manifests(&services(3, ""));
    let run = lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(4);
    assert!(
        run.stderr.contains("401 revoked") && run.stderr.contains("check AMIGO_API_KEY"),
        "{}",
        run.stderr
    );
    assert_eq!((lab.writes().len(), lab.services().len()), (3, 2));
    lab.apply().expect(0);
    assert_eq!((lab.writes().len(), lab.services().len()), (4, 3));
    lab.expect_converged();
}

#[test]
fn a_failed_sign_in_is_retried() {
    for (fault, words) in [
        ("lose_answer", "the connection closed before the answer arrived"),
        ("answer, status: 503, retry_after: 1", "503 Service Unavailable; retrying in 1.0 s"),
        ("answer, status: 502, body: <html>", "502 an HTML page instead of an API response"),
        ("garble", "the answer to the sign-in can't be read; retrying in"),
    ] {
        let lab = Lab::with_faults(Api::Classic, EMPTY, &format!("{{path: signin, fault: {fault}}}"));
        lab.manifests(&services(1, ""));
        let run = lab.apply().expect(0);
        assert!(run.stderr.contains(words), "{fault}: {}", run.stderr);
        lab.expect_converged();
    }
    let lab = Lab::with_faults(Api::Classic, EMPTY, "{path: signin, times: 3, fault: garble}");
    lab.manifests(&services(1, ""));
    let run = lab.apply().expect(1);
    assert!(run.stderr.contains("the answer to the sign-in can't be read"), "{}", run.stderr);
    assert!(!run.stderr.contains("eyJ"), "no token is shown: {}", run.stderr);
}
