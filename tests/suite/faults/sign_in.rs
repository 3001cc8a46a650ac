//! Tokens that end in mid-apply, by the clock and out of the blue.

use std::time::Duration;

use amigops::model::Api;

use crate::apply::{EMPTY, services};
use crate::harness::{Lab, faults};

const STEPS: &str = "Applied: 3 steps · read back: converged";

fn count(lab: &Lab, part: &str, status: u16) -> usize {
    let requests = lab.server.requests();
    requests.iter().filter(|record| record.path.contains(part) && record.status == Some(status)).count()
}

#[test]
fn a_token_that_expires_on_the_way_is_renewed() {
    let lab = Lab::on_with(Api::Classic, EMPTY, |options| {
        options.token_lifetime = Duration::from_secs(3);
        // The request is under way for longer than its token lives.
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
fn a_401_out_of_the_blue_is_a_reason_to_sign_in_again() {
    let rule = "{path: /service, nth: 4, fault: answer, status: 401, body: '{\"detail\":\"expired\"}'}";
    let lab = Lab::faulty(Api::Classic, EMPTY, rule);
    lab.manifests(&services(3, ""));
    let run = lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(0);
    assert!(run.stderr.contains(STEPS), "{}", run.stderr);
    assert_eq!((count(&lab, "/service", 401), count(&lab, "signin", 200)), (1, 2));
    assert_eq!((lab.writes().len(), lab.services().len()), (4, 3));
    lab.expect_converged();
}

#[test]
fn a_key_that_is_refused_in_mid_apply_leaves_the_rest_to_the_next_run() {
    let rule = "{method: POST, path: /services, nth: 2, fault: answer, status: 401, body: '{\"detail\":\"revoked\"}'}";
    let lab = Lab::faulty(Api::Platform, EMPTY, rule);
    lab.manifests(&services(3, ""));
    let run = lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(4);
    assert!(run.stderr.contains("401 revoked") && run.stderr.contains("PLATFORM_API_KEY"), "{}", run.stderr);
    assert_eq!((lab.writes().len(), lab.services().len()), (3, 2));
    lab.apply().expect(0);
    assert_eq!((lab.writes().len(), lab.services().len()), (4, 3));
    lab.expect_converged();
}

#[test]
fn signing_in_that_fails_is_tried_again() {
    for (fault, words) in [
        ("lose_answer", "the connection closed before the answer arrived"),
        ("answer, status: 503, retry_after: 1", "503 Service Unavailable; retrying in 1.0 s"),
        ("answer, status: 502, body: <html>", "502 an HTML page instead of an answer"),
        ("garble", "the answer to the sign-in can't be read; retrying in"),
    ] {
        let lab = Lab::faulty(Api::Classic, EMPTY, &format!("{{path: signin, fault: {fault}}}"));
        lab.manifests(&services(1, ""));
        let run = lab.apply().expect(0);
        assert!(run.stderr.contains(words), "{fault}: {}", run.stderr);
        lab.expect_converged();
    }
    let lab = Lab::faulty(Api::Classic, EMPTY, "{path: signin, times: 3, fault: garble}");
    lab.manifests(&services(1, ""));
    let run = lab.apply().expect(1);
    assert!(run.stderr.contains("the answer to the sign-in can't be read"), "{}", run.stderr);
    assert!(!run.stderr.contains("eyJ"), "no token is shown: {}", run.stderr);
}
