//! Tests that tokens and keys are masked everywhere, even if the server repeats them in its data.

use amigops::model::Api;
use amigops_emulator::Options;

use super::server::{Reply, Request};
use super::{json, lists_services, page, service, start_hostile_proxy};
use crate::harness::{EMPTY, Lab, Run, WORKSPACE};
use crate::on_both_apis;

/// An API key that is long enough to be masked. Shorter keys are not masked.
const KEY: &str = "live/s3cret+key-of-the-workspace";

fn lab(api: Api) -> Lab {
    let add_key = |options: &mut Options| {
        if let (Some(seed), Api::Platform) = (&mut options.seed, api) {
            seed.ensure_workspace_key(WORKSPACE, KEY);
        }
    };
    let lab = Lab::on_with(api, EMPTY, add_key);
    lab.manifests(&crate::harness::service("Desk", ""));
    lab
}

fn invoke(lab: &Lab, args: &[&str]) -> Run {
    let key = if lab.api == Api::Platform { KEY } else { "s3cret-key" };
    lab.run_with(args, &[("AMIGO_API_KEY", key)])
}

/// Returns the bearer token of a request.
fn token(request: &Request) -> String {
    request.header("authorization").trim_start_matches("Bearer ").to_owned()
}

/// Returns a JSON string in which every character is escaped.
fn escaped(text: &str) -> String {
    text.replace('/', "\\/").replace('+', "\\u002B").replace('-', "\\u002d")
}

/// Checks that neither the output nor a file of the project contains the first half of the token.
#[track_caller]
fn assert_hidden(lab: &Lab, run: &Run, token: &str) {
    assert!(token.len() >= 12, "{token:?} is no token");
    let half = &token[..token.len() / 2];
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(half), "{text}");
    }
    for entry in walkdir::WalkDir::new(lab.path()) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(half), "{}", entry.path().display());
        }
    }
}

on_both_apis! {
    fn a_token_in_data_is_masked_in_reports_and_files(api: Api) {
        for encode in [str::to_owned, escaped] {
            let seen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
            let lab = lab(api);
            let noted = std::sync::Arc::clone(&seen);
            start_hostile_proxy(&lab, move |request| {
                if !lists_services(request) {
                    return None;
                }
                *noted.lock().unwrap() = token(request);
                let text = format!("Bearer {}", encode(&token(request)));
                let services = [service(1, "Desk", &text, ""), service(2, &text, "x", &format!("\"{text}\""))];
                page(api, &services.join(","), None)
            });
            for args in [
                &["plan", "-v"][..],
                &["plan", "--prune"],
                &["plan", "--format", "json"],
                &["plan", "--format", "markdown"],
                &["plan", "--out", "saved.json"],
                &["drift", "-v", "--log-format", "json"],
                &["import", "--all", "--out", "imported"],
            ] {
                let run = invoke(&lab, args);
                assert_hidden(&lab, &run, &seen.lock().unwrap());
            }
        }
    }

    fn a_token_in_an_error_or_a_header_is_masked(api: Api) {
        for encode in [str::to_owned, escaped] {
            let seen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
            let lab = lab(api);
            let noted = std::sync::Arc::clone(&seen);
            start_hostile_proxy(&lab, move |request| {
                if !lists_services(request) {
                    return None;
                }
                let token = token(request);
                let headers = ["x-echo", "content-encoding", "location", "x-ratelimit-limit"];
                let headers = headers.map(|name| format!("{name}: {token}")).to_vec();
                let body = format!("{{\"detail\":\"no Bearer {}\"}}", encode(&token));
                *noted.lock().unwrap() = token;
                Some(Reply::Whole(403, headers, body.into_bytes()))
            });
            let run = invoke(&lab, &["plan", "-v"]).expect(1);
            assert_hidden(&lab, &run, &seen.lock().unwrap());
            assert!(run.stderr.contains("403 no Bearer ***"), "{}", run.stderr);
        }
    }

    fn a_token_in_an_unreadable_response_is_masked(api: Api) {
        let lab = lab(api);
        let seen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let noted = std::sync::Arc::clone(&seen);
        start_hostile_proxy(&lab, move |request| {
            if !lists_services(request) {
                return None;
            }
            *noted.lock().unwrap() = token(request);
            json(format!("{{\"services\":\"{0}\",\"items\":\"{0}\"}}", token(request)))
        });
        let run = invoke(&lab, &["plan", "-v"]).expect(1);
        assert!(run.stderr.contains("invalid type"), "{}", run.stderr);
        assert_hidden(&lab, &run, &seen.lock().unwrap());
    }
}
