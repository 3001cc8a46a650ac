//! Tests of signing in: tokens (Classic only), credentials, and addresses that must not receive credentials.

use std::sync::Arc;
use std::time::Duration;

use amigops::model::Api;
use amigops_emulator::{Fault, RequestInfo};

use super::{EMPTY, service, services};
use crate::harness::{
    Lab, ORGANIZATION, WORKSPACE, amigops, answer, answer_with, is_create, on_first, run_command,
};
use crate::on_both_apis;

fn is_sign_in(request: &RequestInfo) -> bool {
    request.path.contains("signin")
}

fn sign_ins(lab: &Lab) -> usize {
    lab.server.requests().iter().filter(|record| record.path.contains("signin")).count()
}

#[test]
fn a_refused_token_is_renewed_once() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.before(on_first(is_create, answer(401, r#"{"detail":"expired"}"#)));
    lab.apply().expect(0);
    assert_eq!(sign_ins(&lab), 2);
    assert_eq!(lab.services().len(), 1);
}

#[test]
fn a_refused_key_is_not_retried() {
    let lab = Lab::on(Api::Platform, EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.before(on_first(is_create, answer(401, r#"{"detail":"revoked"}"#)));
    let run = lab.apply().expect(4);
    assert!(
        run.stderr.contains("401 revoked") && run.stderr.contains("workspace: check AMIGO_API_KEY, and"),
        "{}",
        run.stderr
    );
    assert_eq!(lab.writes().len(), 1);
    lab.apply().expect(0);
}

#[test]
fn short_lived_tokens_are_renewed_before_they_expire() {
    let lab = Lab::with(EMPTY, |options| options.token_lifetime = Duration::from_secs(4));
    lab.manifests(&services(34, ""));
    lab.before(|request| {
        // The delay is shorter than a tenth of the token's lifetime. A token is renewed when less than a tenth of its
        // lifetime is left.
        if is_create(request) { Some(Fault::Delay { millis: 130 }) } else { None }
    });
    lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(0);
    let refused = lab.server.requests().iter().filter(|record| record.status == Some(401)).count();
    assert_eq!(refused, 0, "no request went out with an expired token");
    assert!(sign_ins(&lab) >= 2, "{} sign-ins", sign_ins(&lab));
}

#[test]
fn a_token_that_looks_expired_by_the_local_clock_is_used() {
    let wall = crate::harness::wall_clock();
    let behind = Arc::new(move || wall() - Duration::from_secs(2 * 3600));
    let lab = Lab::with(EMPTY, |options| options.clock = behind);
    lab.manifests(&services(8, ""));
    lab.apply().expect(0);
    assert_eq!(sign_ins(&lab), 1);
}

#[test]
fn wrong_credentials_say_what_to_check() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.before(|request| {
        if is_sign_in(request) {
            return answer(
                401,
                r#"{"detail":"API key not found, is incorrect, or the requested user is not found."}"#,
            );
        }
        None
    });
    let run = lab.run(&["plan", "-vv"]).expect(1);
    assert!(run.stderr.contains("AMIGO_API_KEY"), "{}", run.stderr);
    assert!(run.stderr.contains("signin_with_api_key: 401"), "{}", run.stderr);
}

on_both_apis! {
    fn no_log_shows_a_secret(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        for args in [&["plan"][..], &["apply", "--auto-approve"], &["ids"]] {
            let json = [args, &["-vvv", "--log-format", "json"]].concat();
            for args in [[args, &["-vvv"]].concat(), json] {
                let run = lab.run(&args).expect(0);
                for text in [&run.stderr, &run.stdout] {
                    assert!(!text.contains("s3cret") && !text.contains("Bearer"), "{args:?}: {text}");
                }
                assert!(run.stderr.contains("/v1/"), "requests are logged: {}", run.stderr);
            }
        }
    }

    fn missing_credentials_are_named_and_files_are_read(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.write("key", "s3cret-key\n");
        let plan = |variables: &[(&str, &str)]| {
            let mut command = amigops(&lab.path());
            command.arg("plan").envs(variables.iter().copied());
            run_command(command)
        };
        let (missing, complete): (&[&str], &[(&str, &str)]) = match api {
            Api::Classic => (
                &["has no API key id and no user", "AMIGO_API_KEY_ID is not set", "AMIGO_USER_ID is not set"],
                &[("AMIGO_API_KEY_ID", "key-id"), ("AMIGO_USER_ID", "user-1")],
            ),
            Api::Platform => (&["PLATFORM_API_KEY and AMIGO_API_KEY are not set"], &[]),
        };
        let without: &[_] = if api == Api::Classic { &[("AMIGO_API_KEY", "x")] } else { &[] };
        let run = plan(without).expect(1);
        for words in missing {
            assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        }
        plan(&[complete, &[("AMIGO_API_KEY_FILE", "key")]].concat()).expect(0);
        let both = [("AMIGO_API_KEY_FILE", "key"), ("AMIGO_API_KEY", "s3cret-key")];
        let run = plan(&[complete, &both].concat()).expect(1);
        assert!(run.stderr.contains("both AMIGO_API_KEY and AMIGO_API_KEY_FILE are set"), "{}", run.stderr);
        let run = plan(&[complete, &[("AMIGO_API_KEY_FILE", "nowhere")]].concat()).expect(1);
        assert!(run.stderr.contains("can't read the file `nowhere`, which AMIGO_API_KEY_FILE names"), "{}", run.stderr);
    }

    fn misleading_addresses_are_refused_and_not_printed(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let home = match api {
            Api::Classic => format!("api: classic, organization: {ORGANIZATION}"),
            Api::Platform => format!("api: platform, workspace: {WORKSPACE}"),
        };
        lab.write(
            "amigops.yaml",
            &format!("version: 1\nmanifests: [services/*.yaml]\nenvironments: {{lab: {{{home}}}}}\ndefault_environment: lab\n"),
        );
        for address in [
            "http://localhost:hunter2@nowhere.invalid",
            "http://[::1]@nowhere.invalid",
            "https://bob:hunter2@nowhere.invalid",
            "http://api.amigo.ai",
        ] {
            for variable in if api == Api::Classic { &["AMIGO_BASE_URL"][..] } else { &["PLATFORM_API_URL", "AMIGO_BASE_URL"] } {
                let mut command = amigops(&lab.path());
                command.arg("plan").env(variable, address);
                command.env("AMIGO_API_KEY", "s3cret").env("AMIGO_API_KEY_ID", "id").env("AMIGO_USER_ID", "user");
                let run = run_command(command).expect(1);
                assert!(run.stderr.contains("credentials can't be sent"), "{address}: {}", run.stderr);
                assert!(run.stderr.contains(variable), "{address}: {}", run.stderr);
                assert!(!run.stderr.contains("hunter2") && !run.stderr.contains("s3cret"), "{}", run.stderr);
            }
        }
    }

    fn redirects_are_not_followed(api: Api) {
        let (lab, other) = (Lab::on(api, EMPTY), Lab::on(api, EMPTY));
        lab.manifests(&service("Desk", ""));
        let elsewhere = other.server.url();
        for status in [301, 302, 307, 308] {
            let elsewhere = elsewhere.clone();
            lab.before(move |request| {
                answer_with(status, "location", format!("{elsewhere}{}", request.path), "")
            });
            let run = lab.run(&["plan"]).expect(1);
            let words = format!("{status}");
            assert!(run.stderr.contains(&words), "{}", run.stderr);
            assert!(run.stderr.contains("redirects are not followed"), "{}", run.stderr);
            assert!(run.stderr.contains("the answer redirects to `"), "{}", run.stderr);
        }
        assert_eq!(other.server.requests(), [], "nothing went elsewhere");
    }
}
