//! Tests of lists that do not end.

use std::sync::atomic::{AtomicUsize, Ordering};

use amigops::model::Api;

use super::{lists_services, measure, page, service, start_hostile_proxy};
use crate::harness::{EMPTY, Lab};
use crate::on_both_apis;

/// Runs `plan` with a server that sends endless pages. `make` returns the services and the continuation token of the
/// page with a number, from 0. Checks that the run fails with `words`, reads at most `most_pages` pages, and stays
/// below the memory limit.
#[track_caller]
fn plan(
    api: Api,
    words: &[&str],
    most_pages: usize,
    megabytes: u64,
    make: impl Fn(usize) -> (String, String) + Send + Sync + 'static,
) {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&crate::harness::service("Desk", ""));
    let number = AtomicUsize::new(0);
    let server = start_hostile_proxy(&lab, move |request| {
        if !lists_services(request) {
            return None;
        }
        let (services, token) = make(number.fetch_add(1, Ordering::SeqCst));
        page(api, &services, Some(&token))
    });
    let run = measure(&lab, &["plan"]).expect(1, words, megabytes);
    assert!(server.answered() <= most_pages, "{} pages: {}", server.answered(), run.stderr);
    assert!(run.stderr.contains("GET /v1/"), "the request is named: {}", run.stderr);
}

/// Returns the JSON text of a page with this number of services.
fn full(services: usize, carried: &str) -> String {
    (0..services).map(|n| service(n, &format!("Desk {n}"), "x", carried)).collect::<Vec<_>>().join(",")
}

on_both_apis! {
    fn repeating_continuation_tokens_are_an_error(api: Api) {
        for length in [1, 2, 3, 50] {
            let words = ["the list never ends", "`continuation_token`"];
            plan(api, &words, length + 2, 100, move |page| (full(2, ""), format!("{}", 1 + page % length)));
        }
    }

    fn endless_pages_are_an_error(api: Api) {
        let services = full(1_000, "");
        let words = ["the list has more than 100000 entries"];
        plan(api, &words, 102, 400, move |page| (services.clone(), format!("{}", page + 1)));
    }

    fn endless_small_pages_are_an_error(api: Api) {
        let services = full(1, "");
        let words = ["the list has more than 10000 pages"];
        plan(api, &words, 10_001, 200, move |page| (services.clone(), format!("{}", page + 1)));
    }

    fn endless_empty_pages_are_an_error(api: Api) {
        let words = ["100 pages in a row are empty", "has_more"];
        plan(api, &words, 102, 100, |page| (String::new(), format!("\"{page}\"")));
    }

    fn pages_that_expand_in_memory_are_an_error(api: Api) {
        // A JSON object of seven bytes takes hundreds of bytes in memory.
        let carried = vec![r#"{"a":0}"#; 50_000].join(",");
        let services = full(1, &carried);
        let words = ["the list takes more than 1024 MB of memory"];
        plan(api, &words, 60, 1_200, move |page| (services.clone(), format!("{}", page + 1)));
    }

    fn one_page_that_expands_in_memory_is_an_error(api: Api) {
        let carried = vec![r#"{"a":0}"#; 1_500_000].join(",");
        let services = full(1, &carried);
        let words = ["takes more than 256 MB of memory"];
        plan(api, &words, 1, 200, move |page| (services.clone(), format!("{}", page + 1)));
    }

    fn a_long_continuation_token_is_an_error(api: Api) {
        let words = ["`continuation_token`", "longer than 4096 bytes"];
        plan(api, &words, 1, 100, |_| (full(1, ""), format!("\"{}\"", "t".repeat(1 << 20))));
    }
}
