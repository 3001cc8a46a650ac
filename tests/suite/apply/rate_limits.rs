//! Tests that runs respect rate limits without ever exceeding them: published limits from the start, and other limits
//! from the first response that states them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amigops::model::Api;
use amigops_emulator::Limits;

use super::{EMPTY, services};
use crate::harness::{Lab, ORGANIZATION, is_create};
use crate::on_both_apis;

/// Returns the maximum number of creates per minute: the published limit on Classic, and the emulator's own limit on
/// Platform.
fn creates_a_window(api: Api) -> usize {
    match api {
        Api::Classic => 20,
        Api::Platform => 60,
    }
}

on_both_apis! {
    fn limits_are_respected_before_they_are_hit(api: Api) {
        let window = Duration::from_secs(2);
        let lab = Lab::on_with(api, EMPTY, |options| options.limits = Limits::Documented { window });
        let limit = creates_a_window(api);
        let count = 2 * limit + 5;
        lab.manifests(&services(count, "version_sets: {dev: {agent_version: 1}}\n"));
        // There are more creates than the limit allows in a minute. On Platform, the client learns the limit only from
        // the first answer.
        let run = lab.run(&["apply", "--auto-approve", "--parallelism", "64"]).expect(0);
        let hit = lab.server.requests().iter().filter(|record| record.status == Some(429)).count();
        assert_eq!(hit, 0, "{}", run.stderr);
        let waits = run.stderr.matches(&format!("`create service` is limited to {limit} requests a minute")).count();
        assert!((1..=4).contains(&waits), "one word a wait, not one a step: {}", run.stderr);
        assert_eq!(lab.services().len(), count);
    }

    fn requests_of_other_clients_count_against_the_limit(api: Api) {
        let window = Duration::from_secs(4);
        let lab = Lab::on_with(api, EMPTY, |options| options.limits = Limits::Documented { window });
        let half = creates_a_window(api) / 2;
        lab.manifests(&services(half, ""));
        lab.apply().expect(0);
        // The next process knows only the published limit. It does not know that the run before it has used half of the
        // limit.
        lab.manifests(&services(3 * half, ""));
        let run = lab.apply().expect(0);
        let hit = lab.server.requests().iter().filter(|record| record.status == Some(429)).count();
        assert_eq!(hit, 0, "{}", run.stderr);
        assert_eq!(lab.services().len(), 3 * half);
    }

    fn an_interrupt_ends_a_wait_for_a_limit(api: Api) {
        let window = Duration::from_secs(60);
        let lab = Lab::on_with(api, EMPTY, |options| options.limits = Limits::Documented { window });
        let limit = creates_a_window(api);
        lab.manifests(&services(limit + 10, ""));
        let hooks = Arc::clone(&lab.hooks);
        let creates = AtomicU64::new(0);
        lab.after(move |request, _, _| {
            if is_create(request) && creates.fetch_add(1, Ordering::SeqCst) + 1 == limit as u64 {
                let hooks = Arc::clone(&hooks);
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(300));
                    hooks.signal("INT");
                });
            }
        });
        let began = Instant::now();
        let run = lab.apply().expect(130);
        assert!(began.elapsed() < Duration::from_secs(20), "the wait is over at once: {:?}", began.elapsed());
        let summary = format!("{limit} of {} steps done, 0 failed, 10 not attempted", limit + 10);
        assert!(run.stderr.contains(&summary), "{}", run.stderr);
    }
}

#[test]
fn environments_of_one_organization_share_one_budget() {
    let window = Duration::from_secs(4);
    let lab = Lab::with(EMPTY, |options| options.limits = Limits::Documented { window });
    let url = lab.server.url();
    let environments: String = (1..=8)
        .map(|number| {
            format!("  e{number}: {{api: classic, organization: {ORGANIZATION}, base_url: \"{url}\"}}\n")
        })
        .collect();
    lab.write(
        "amigops.yaml",
        &format!(
            "version: 1\nmanifests: [services/*.yaml]\nenvironments:\n{environments}default_environment: e1\n"
        ),
    );
    lab.manifests(&services(1, ""));
    // Each environment signs in, but an organization may sign in only five times a minute.
    let run = lab.run(&["drift", "--all-environments"]).expect(2);
    let requests = lab.server.requests();
    assert_eq!(requests.iter().filter(|record| record.path.contains("signin")).count(), 8);
    assert_eq!(requests.iter().filter(|record| record.status == Some(429)).count(), 0, "{}", run.stderr);
    assert!(run.stderr.contains("`sign in` is limited to 5 requests a minute"), "{}", run.stderr);
}
