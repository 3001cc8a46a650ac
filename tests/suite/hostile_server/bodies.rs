//! Tests of single responses that are too long, too slow, too deeply nested, or compressed.

use std::io::Write;
use std::time::{Duration, Instant};

use amigops::model::Api;

use super::server::{Reply, Request};
use super::{json, lists_services, measure, page, service, start_hostile_proxy};
use crate::harness::{EMPTY, Lab};
use crate::on_both_apis;

/// Runs `plan` with a server that answers requests for the list of services with this response. Checks the exit code
/// and the error.
#[track_caller]
fn plan(
    api: Api,
    code: i32,
    words: &[&str],
    megabytes: u64,
    reply: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
) {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&crate::harness::service("Desk", ""));
    start_hostile_proxy(&lab, move |request| if lists_services(request) { reply(request) } else { None });
    measure(&lab, &["plan"]).expect(code, words, megabytes);
}

/// Returns a response with this status, header line and body.
fn with_header(status: u16, header: &str, body: impl Into<Vec<u8>>) -> Option<Reply> {
    Some(Reply::Whole(status, vec![header.to_owned()], body.into()))
}

on_both_apis! {
    fn an_endless_body_is_an_error(api: Api) {
        plan(api, 1, &["the answer is longer than the limit of 16 MB"], 150, |_| {
            let piece = vec![b' '; 1 << 16];
            Some(Reply::Endless { first: b"{\"items\":[".to_vec(), piece, pause: Duration::ZERO })
        });
    }

    fn a_slow_body_does_not_exceed_the_timeout(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&crate::harness::service("Desk", ""));
        start_hostile_proxy(&lab, |request| {
            let pause = Duration::from_secs(1);
            let slow = Reply::Endless { first: Vec::new(), piece: b" ".to_vec(), pause };
            lists_services(request).then_some(slow)
        });
        let began = Instant::now();
        measure(&lab, &["plan", "--timeout", "3s"]).expect(1, &["did not finish within --timeout"], 100);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }

    fn compression_is_neither_requested_nor_decoded(api: Api) {
        // A gigabyte of spaces would be a megabyte in gzip. Compressed responses are refused, so this one needs no
        // content.
        plan(api, 1, &["the answer is compressed", "gzip"], 100, |request| {
            assert_eq!(request.header("accept-encoding"), "");
            with_header(200, "content-encoding: gzip", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
        });
    }

    fn deeply_nested_json_is_an_error(api: Api) {
        for depth in [127, 100_000] {
            let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let within = service(1, "Desk", "x", &deep);
            let beside = deep.clone();
            plan(api, 1, &["more than 128 levels"], 100, move |_| page(api, &within, None));
            if depth > 127 {
                plan(api, 1, &["GET /v1/"], 100, move |_| json(beside.clone()));
            }
        }
    }

    fn deeply_nested_json_in_an_error_response_does_not_crash(api: Api) {
        let deep = format!("{{\"detail\":{}", "[".repeat(50_000));
        plan(api, 1, &["GET /v1/", "400"], 100, move |_| with_header(400, "x-a: b", deep.clone()));
    }

    fn endless_headers_are_an_error(api: Api) {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        for n in 0..300_000 {
            write!(head, "x-{n}: {n}\r\n").unwrap();
        }
        plan(api, 1, &["GET /v1/", "head is too large"], 100, move |_| Some(Reply::Raw(head.clone())));
    }

    fn a_long_error_message_is_truncated(api: Api) {
        let long = format!("{{\"detail\":\"{}\"}}", "no ".repeat(10_000_000));
        plan(api, 1, &["400", "no no no"], 100, move |_| with_header(400, "x-a: b", long.clone()));
    }

    fn an_invalid_value_is_quoted_only_in_part(api: Api) {
        let key = if api == Api::Classic { "services" } else { "items" };
        let long = format!("{{\"{key}\":\"{}\"}}", "no ".repeat(3_000_000));
        plan(api, 1, &["invalid type"], 100, move |_| json(long.clone()));
    }

    fn huge_numbers_do_not_crash(api: Api) {
        for number in ["1e999", "-1e999", "99999999999999999999999999", "1e308"] {
            let services = service(1, "Desk", "x", number);
            let code = i32::from(number.ends_with("e999"));
            plan(api, code, &[], 100, move |_| page(api, &services, None));
        }
        for header in ["x-ratelimit-limit: 1e300", "x-ratelimit-reset: 1e300", "retry-after: 1e300", "date: never"] {
            plan(api, 1, &["400"], 100, move |_| with_header(400, header, "no"));
        }
    }
}

#[test]
fn a_long_sign_in_response_is_an_error() {
    let cases = [
        (
            format!("{{\"id_token\":\"{}\"}}", "t".repeat(1 << 20)),
            "the answer is longer than the limit of 64 kB",
        ),
        (format!("{{\"id_token\":\"{}\"}}", "t".repeat(20_000)), "the token is longer than 16384 bytes"),
        ("{\"id_token\":\"a\\nb\"}".to_owned(), "the token can't be sent in a header"),
        ("{\"id_token\":\"\"}".to_owned(), "the token can't be sent in a header"),
    ];
    for (answer, words) in cases {
        let lab = Lab::on(Api::Classic, EMPTY);
        lab.manifests(&crate::harness::service("Desk", ""));
        start_hostile_proxy(&lab, move |request| {
            if request.target.contains("signin") { json(answer.clone()) } else { None }
        });
        let run = measure(&lab, &["plan"]).expect(1, &[words, "signin_with_api_key"], 100);
        assert!(!run.stderr.contains("tttttttttt"), "{}", run.stderr);
    }
}
