//! Tests that kill the binary (SIGKILL) before and after the server processes each request. The next run must converge.

use std::sync::Arc;

use amigops::model::Api;
use amigops_emulator::{Fault, RequestInfo};

use crate::apply::replacement;
use crate::harness::Lab;
use crate::on_both_apis;

/// The moment at which a run is killed.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// When the request with this number arrives, before the server processes it.
    Before(u64),
    /// When the server has processed the request with this number, before it sends the answer.
    After(u64),
}

#[allow(clippy::disallowed_macros, reason = "what a test prints is shown with --nocapture only")]
/// Kills a run at every request, once before and once after the server processes it. Runs the command again after each
/// kill, and compares the live state with that of an undisturbed run. Returns the number of kills.
fn kill_at_every_request(lab: impl Fn() -> Lab, args: &[&str]) -> usize {
    let undisturbed = lab();
    undisturbed.run(args).expect(0);
    let requests = undisturbed.hooks.count();
    let expected = undisturbed.comparable_state();
    assert!(requests > 4, "a run of {requests} requests proves little");
    let mut cuts = 0;
    for number in 1..=requests {
        for cut in [Cut::Before(number), Cut::After(number)] {
            let lab = lab();
            install(&lab, cut);
            let run = lab.run(args);
            assert_eq!(run.code, None, "the run is killed at {cut:?}\n{}", run.stderr);
            lab.remove_hooks();
            let again = lab.run(args);
            assert_eq!(again.code, Some(0), "after {cut:?}\n{}\n{}", again.stdout, again.stderr);
            assert_eq!(lab.comparable_state(), expected, "after {cut:?}\n{}\n{}", again.stdout, again.stderr);
            lab.expect_converged();
            cuts += 1;
        }
    }
    println!(
        "kill: {} requests, {cuts} cuts, each continued: {}",
        requests,
        std::thread::current().name().unwrap_or_default()
    );
    cuts
}

fn install(lab: &Lab, cut: Cut) {
    let hooks = Arc::clone(&lab.hooks);
    match cut {
        Cut::Before(number) => lab.before(move |_: &RequestInfo| {
            if hooks.count() == number {
                hooks.kill();
            }
            if hooks.count() >= number { Some(Fault::LoseRequest) } else { None }
        }),
        Cut::After(number) => {
            lab.after(move |_, _, _| {
                if hooks.count() == number {
                    hooks.kill();
                }
            });
            // Requests that the dying process still sends are lost.
            let hooks = Arc::clone(&lab.hooks);
            lab.before(
                move |_: &RequestInfo| if hooks.count() > number { Some(Fault::LoseRequest) } else { None },
            );
        }
    }
}

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--parallelism", "2"];

on_both_apis! {
    fn kill_while_creating_the_quickstart(api: Api) {
        let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
        let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
        let seed = read(&example.join("sandbox-seed.yaml")).replace("sandbox:", "acme:");
        let cuts = kill_at_every_request(
            || {
                let lab = Lab::on(api, &seed);
                for entry in std::fs::read_dir(example.join("services")).unwrap() {
                    let path = entry.unwrap().path();
                    let text = read(&path);
                    // The overlays are removed, because they are for the example's own environments.
                    let text = text.split("\nenvironments:").next().unwrap().to_owned() + "\n";
                    lab.write(&format!("services/{}", path.file_name().unwrap().to_str().unwrap()), &text);
                }
                lab
            },
            &APPLY,
        );
        assert!(cuts >= 14, "{cuts} cuts");
    }

    fn kill_during_a_replacement(api: Api) {
        let cuts = kill_at_every_request(|| replacement::lab(api, "Coach Noor", ""), &APPLY);
        assert!(cuts >= 16, "{cuts} cuts");
    }

    fn kill_during_a_replacement_with_a_smoke_test(api: Api) {
        let smoke = "smoke:\n  - {version_set: release, say: Hello}\n  - {version_set: release, say: Well}\n";
        let cuts = kill_at_every_request(|| replacement::lab(api, "Coach Noor", smoke), &APPLY);
        assert!(cuts >= 20, "{cuts} cuts");
    }

    fn kill_during_a_name_swap_and_a_removal(api: Api) {
        let lab = || {
            let lab = Lab::on(api, PAIR);
            lab.manifests(
                "service: Right\ndescription: left\nagent: One\ncontext_graph: Flow\nlifecycle: {renamed_from: Left}\n\
                 ---\n\
                 service: Left\ndescription: right\nagent: Two\ncontext_graph: Flow\nlifecycle: {renamed_from: Right}\n\
                 version_sets: {dev: {agent_version: 2}}\n",
            );
            lab
        };
        let after = lab();
        let ids: Vec<String> = after.services().iter().map(|service| service.id.clone()).collect();
        let run = after.run(&["apply", "--auto-approve", "--prune"]).expect(0);
        assert_eq!(after.active("Right").id, ids[0], "{}", run.stdout);
        assert_eq!(after.active("Left").id, ids[1]);
        assert!(!after.services()[2].is_active);
        let cuts = kill_at_every_request(lab, &["apply", "--auto-approve", "--prune", "--parallelism", "1"]);
        assert!(cuts >= 14, "{cuts} cuts");
    }
}

#[test]
fn kill_during_a_replacement_that_deletes_the_old_service() {
    let lifecycle = "lifecycle: {on_agent_change: replace, retire: delete}\n";
    let lab = || replacement::lab_with(Api::Platform, "Coach Noor", lifecycle);
    let after = lab();
    after.apply().expect(0);
    assert_eq!(after.services().len(), 1, "the old one is gone");
    let cuts = kill_at_every_request(lab, &APPLY);
    assert!(cuts >= 16, "{cuts} cuts");
}

#[test]
fn kill_during_an_in_place_change_with_pins_and_a_deleted_set() {
    let cuts = kill_at_every_request(
        || {
            let lab = Lab::on(Api::Platform, replacement::SEED);
            let manifest = replacement::manifest("Coach Noor", "voice_config: {max_response_words: 40}\n");
            lab.manifests(&manifest.replace("agent_version: 3", "agent_version: 4"));
            lab
        },
        &APPLY,
    );
    assert!(cuts >= 14, "{cuts} cuts");
}

const PAIR: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 3}, {name: Two, versions: 3}]
    context_graphs: [{name: Flow, versions: 3}]
    services:
      - {name: Left, description: left, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops}}
      - {name: Right, description: right, agent: Two, context_graph: Flow, active: true, tags: {managed_by: amigops}}
      - {name: Summer, description: over, agent: Two, context_graph: Flow, active: true, tags: {managed_by: amigops}}
";
