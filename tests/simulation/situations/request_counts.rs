//! Tests of the number of reads that steps send before they write. They check that the number equals the plan's
//! estimate, that steps share reads, and that no rate limit is exceeded.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::organization::{APIS, FinishedRun, SentRequest, TestOrganization, in_virtual_time};
use crate::build::{desired, live, live_set, sets, wanted};
use crate::model::*;
use crate::remote::Stop;
use amigops_emulator::Limits;

/// Returns the endpoint under whose rate limit a request is counted.
fn endpoint(request: &SentRequest) -> Endpoint {
    let path = request.target.split('?').next().unwrap_or_default().trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').skip(3).collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["service" | "services"]) => Endpoint::ListServices,
        ("GET", ["services", _]) => Endpoint::GetService,
        ("POST", ["service" | "services"]) => Endpoint::CreateService,
        ("POST", ["service", _]) | ("PUT", ["services", _]) => Endpoint::UpdateService,
        ("PUT", [_, _, "version_sets" | "version-sets", _]) => Endpoint::WriteVersionSet,
        ("DELETE", [_, _, "version_sets", _]) => Endpoint::DeleteVersionSet,
        other => panic!("unexpected request: {other:?}"),
    }
}

/// Runs a plan. Returns the finished run, and the number of its requests to each endpoint.
async fn run_and_count(
    org: &TestOrganization,
    desired: &Desired,
    parallelism: usize,
) -> (FinishedRun, BTreeMap<Endpoint, usize>) {
    let stop = Stop::default();
    let client = org.connect(stop.clone(), None);
    let (snapshot, plan) = org.plan(&client, desired, true).await.expect("there is a plan");
    let before = org.requests().len();
    let ended = org.run_with(&client, (&snapshot, plan), &stop, parallelism).await;
    assert!(ended.is_complete(), "{:?}", ended.failures());
    let mut counts = BTreeMap::new();
    for request in org.requests().iter().skip(before).filter(|request| !request.target.contains("signin")) {
        // Skips the empty update, which a cut-over sends only to learn the rate limit.
        if !(request.is_write() && request.body == "{}") {
            *counts.entry(endpoint(request)).or_default() += 1;
        }
    }
    (ended, counts)
}

#[test]
fn the_estimate_counts_every_read() {
    for api in APIS {
        in_virtual_time(async {
            let with_set = |id: &str, name: &str, agent: &str| {
                let mut service = live(id, name, agent);
                service.version_sets.insert("dev".into(), live_set(1, 1));
                service
            };
            let org = TestOrganization::new(
                api,
                [
                    with_set("a", "Able", "A1"),
                    with_set("b", "Baker", "A1"),
                    live("c", "Charlie", "A1"),
                    live("d", "Delta", "A1"),
                    live("e", "Extra", "A1"),
                ],
            );
            let mut able = wanted("Able", "A2");
            able.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
            let mut baker = wanted("Baker", "A1");
            baker.version_sets = sets(&[("release", 2, 2), ("staging", 1, 1)]);
            let mut cesar = wanted("Cesar", "A1");
            cesar.lifecycle.renamed_from = Some("Charlie".into());
            let mut delta = wanted("Delta", "A1");
            delta.description = Some("Declared anew".to_owned());
            let desired = desired([able, baker, cesar, delta]);
            let (ended, mut counts) = run_and_count(&org, &desired, 1).await;
            // The estimate includes the read-back, but the counted requests don't.
            *counts.entry(Endpoint::ListServices).or_default() += 1;
            assert_eq!(counts, ended.plan.estimate.by_endpoint, "{api:?}");
        });
    }
}

fn renames(count: usize) -> (Vec<LiveService>, Desired) {
    let names: Vec<String> = (0..count).map(|n| format!("Service {n:03}")).collect();
    let live = names.iter().enumerate().map(|(n, name)| live(&format!("s{n}"), name, "A1")).collect();
    let renamed = names.iter().map(|name| {
        let mut wanted = wanted(&format!("New {name}"), "A1");
        wanted.lifecycle.renamed_from = Some(name.as_str().into());
        wanted.description = None;
        wanted
    });
    (live, desired(renamed))
}

#[test]
fn steps_that_become_ready_together_share_a_read() {
    in_virtual_time(async {
        let (live, desired) = renames(20);
        let org = TestOrganization::new(Api::Classic, live);
        let (_, counts) = run_and_count(&org, &desired, 10).await;
        assert_eq!(counts[&Endpoint::UpdateService], 20);
        assert_eq!(counts[&Endpoint::ListServices], 2, "ten steps share a read");
    });
}

/// Checks that a plan runs under the published limits without any answer of 429, and that it takes the minimum time
/// that the limits allow.
fn check_time_under_limits(api: Api, (live, desired): (Vec<LiveService>, Desired)) {
    in_virtual_time(async {
        let org = TestOrganization::with_limits(api, live, Limits::PER_MINUTE);
        let stop = Stop::default();
        let client = org.connect(stop.clone(), None);
        let (snapshot, plan) = org.plan(&client, &desired, false).await.expect("there is a plan");
        let limit = |endpoint: Endpoint| endpoint.per_minute(api).unwrap_or(60) as usize;
        let writes = plan
            .estimate
            .by_endpoint
            .iter()
            .filter(|(endpoint, _)| !(api == Api::Classic && matches!(endpoint, Endpoint::ListServices)));
        let minutes = writes.map(|(endpoint, count)| (count - 1) / limit(*endpoint)).max();
        let bound = 60 * minutes.unwrap_or_default() as u64;
        let start = Instant::now();
        let ended = org.run_with(&client, (&snapshot, plan), &stop, 10).await;
        let took = start.elapsed().as_secs_f64();
        assert!(ended.is_complete(), "{:?}", ended.failures());
        assert_eq!(org.refused_count(), 0, "no request exceeds a limit");
        assert!(
            took <= bound as f64 * 1.05 + 10.0,
            "{api:?}: {took} s, but the limits require only {bound} s"
        );
    });
}

#[test]
fn reads_do_not_slow_down_two_hundred_renames() {
    for api in APIS {
        check_time_under_limits(api, renames(200));
    }
}

#[test]
fn reads_do_not_slow_down_replacements_and_version_sets() {
    for api in APIS {
        let mut all = Vec::new();
        let mut manifests = Vec::new();
        // A cut-over reserves a request for its undo, so that only 18 of 20 updates per minute are used.
        for n in 0..36 {
            let name = format!("Replaced {n:02}");
            all.push(live(&format!("r{n}"), &name, "A1"));
            let mut wanted = wanted(&name, "A2");
            wanted.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
            manifests.push(wanted);
        }
        for n in 0..80 {
            let name = format!("Pinned {n:02}");
            all.push(live(&format!("p{n}"), &name, "A1"));
            let mut wanted = wanted(&name, "A1");
            wanted.version_sets = sets(&[("release", 2, 2), ("dev", 1, 1)]);
            manifests.push(wanted);
        }
        check_time_under_limits(api, (all, desired(manifests)));
    }
}
