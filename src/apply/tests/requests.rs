//! How many requests the looks take: what the estimate says, shared where steps look at the same time, and never more
//! than the limits allow.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::bench::{APIS, Bench, Ended, Info, in_virtual_time};
use crate::model::*;
use crate::plan::tests::build::{desired, live, live_set, sets, wanted};
use crate::remote::Stop;
use amigops_emulator::Limits;

/// The endpoint that a request is counted for.
fn endpoint(info: &Info) -> Endpoint {
    let path = info.target.split('?').next().unwrap_or_default().trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').skip(3).collect();
    match (info.method.as_str(), parts.as_slice()) {
        ("GET", ["service" | "services"]) => Endpoint::ListServices,
        ("GET", ["services", _]) => Endpoint::GetService,
        ("POST", ["service" | "services"]) => Endpoint::CreateService,
        ("POST", ["service", _]) | ("PUT", ["services", _]) => Endpoint::UpdateService,
        ("PUT", [_, _, "version_sets" | "version-sets", _]) => Endpoint::WriteVersionSet,
        ("DELETE", [_, _, "version_sets", _]) => Endpoint::DeleteVersionSet,
        other => panic!("no such request was expected: {other:?}"),
    }
}

/// Runs a plan from its first step on, so many steps at a time; gives the requests by endpoint.
async fn counted(bench: &Bench, desired: &Desired, parallelism: usize) -> (Ended, BTreeMap<Endpoint, usize>) {
    let stop = Stop::default();
    let client = bench.connect(stop.clone(), None);
    let (snapshot, plan) = bench.plan(&client, desired, true).await.expect("a plan");
    let before = bench.requests().len();
    let ended = bench.run_with(&client, &snapshot, plan, &stop, parallelism).await;
    assert!(ended.is_complete(), "{:?}", ended.failures());
    let mut counts = BTreeMap::new();
    for info in bench.requests().iter().skip(before).filter(|info| !info.target.contains("signin")) {
        // An update that only learns the limit changes nothing.
        if !(info.is_write() && info.body == "{}") {
            *counts.entry(endpoint(info)).or_default() += 1;
        }
    }
    (ended, counts)
}

#[test]
fn the_estimate_counts_every_look() {
    for api in APIS {
        in_virtual_time(async {
            let with_set = |id: &str, name: &str, agent: &str| {
                let mut service = live(id, name, agent);
                service.version_sets.insert("dev".into(), live_set(1, 1));
                service
            };
            let bench = Bench::new(
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
            let (ended, mut counts) = counted(&bench, &desired, 1).await;
            // Reading back is not part of the steps.
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
fn steps_that_become_ready_together_share_a_look() {
    in_virtual_time(async {
        let (live, desired) = renames(20);
        let bench = Bench::new(Api::Classic, live);
        let (_, counts) = counted(&bench, &desired, 10).await;
        assert_eq!(counts[&Endpoint::UpdateService], 20);
        assert_eq!(counts[&Endpoint::ListServices], 2, "ten steps at a time");
    });
}

/// Two hundred services under the published limits: none is refused, and it takes what the limits impose.
fn under_limits(api: Api, (live, desired): (Vec<LiveService>, Desired)) {
    in_virtual_time(async {
        let bench = Bench::limited(api, live, Limits::PER_MINUTE);
        let stop = Stop::default();
        let client = bench.connect(stop.clone(), None);
        let (snapshot, plan) = bench.plan(&client, &desired, false).await.expect("a plan");
        let limit = |endpoint: Endpoint| endpoint.per_minute(api).unwrap_or(60) as usize;
        let writes = plan
            .estimate
            .by_endpoint
            .iter()
            .filter(|(endpoint, _)| !(api == Api::Classic && matches!(endpoint, Endpoint::ListServices)));
        let minutes = writes.map(|(endpoint, count)| (count - 1) / limit(*endpoint)).max();
        let bound = 60 * minutes.unwrap_or_default() as u64;
        let began = Instant::now();
        let ended = bench.run_with(&client, &snapshot, plan, &stop, 10).await;
        let took = began.elapsed().as_secs_f64();
        assert!(ended.is_complete(), "{:?}", ended.failures());
        assert_eq!(bench.refused(), 0, "no request was one too many");
        assert!(took <= bound as f64 * 1.05 + 10.0, "{api:?}: {took} s of {bound} s");
    });
}

#[test]
fn looks_never_become_what_two_hundred_renames_wait_for() {
    for api in APIS {
        under_limits(api, renames(200));
    }
}

#[test]
fn looks_never_become_what_replacements_and_version_sets_wait_for() {
    for api in APIS {
        let mut all = Vec::new();
        let mut manifests = Vec::new();
        // A hand-over keeps room for its undo, so that a minute has room for 18 updates of 20.
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
        under_limits(api, (all, desired(manifests)));
    }
}
