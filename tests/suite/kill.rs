//! SIGKILL between any two requests, before the server has done what was asked and after; then run again.

use std::sync::Arc;

use amigops::model::Api;
use amigops_emulator::{Fault, RequestInfo};

use crate::harness::Lab;
use crate::{on_both_apis, replacement};

/// Where a run is cut off.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// When the request has come in, before anything is done.
    Before(u64),
    /// When it is done, before the answer is sent.
    After(u64),
}

#[allow(clippy::disallowed_macros, reason = "what a test prints is shown with --nocapture only")]
/// Cuts a run off at every request, both ways, runs it again, and compares with an undisturbed run. Gives
/// how many cuts there were.
fn cut_everywhere(lab: impl Fn() -> Lab, args: &[&str]) -> usize {
    let undisturbed = lab();
    undisturbed.run(args).expect(0);
    let requests = undisturbed.hooks.count();
    let expected = undisturbed.essence();
    assert!(requests > 4, "a run of {requests} requests proves little");
    let mut cuts = 0;
    for number in 1..=requests {
        for cut in [Cut::Before(number), Cut::After(number)] {
            let lab = lab();
            install(&lab, cut);
            let run = lab.run(args);
            assert_eq!(run.code, None, "the run is killed at {cut:?}\n{}", run.stderr);
            lab.unhook();
            let again = lab.run(args);
            assert_eq!(again.code, Some(0), "after {cut:?}\n{}\n{}", again.stdout, again.stderr);
            assert_eq!(lab.essence(), expected, "after {cut:?}\n{}\n{}", again.stdout, again.stderr);
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
            // What the dying process may still send at the same moment is lost.
            let hooks = Arc::clone(&lab.hooks);
            lab.before(
                move |_: &RequestInfo| if hooks.count() > number { Some(Fault::LoseRequest) } else { None },
            );
        }
    }
}

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--parallelism", "2"];

on_both_apis! {
    fn creating_the_quickstart(api: Api) {
        let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
        let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
        let seed = read(&example.join("sandbox-seed.yaml")).replace("sandbox:", "acme:");
        let cuts = cut_everywhere(
            || {
                let lab = Lab::on(api, &seed);
                for entry in std::fs::read_dir(example.join("services")).unwrap() {
                    let path = entry.unwrap().path();
                    let text = read(&path);
                    // The example's overlays are for environments of its own.
                    let text = text.split("\nenvironments:").next().unwrap().to_owned() + "\n";
                    lab.write(&format!("services/{}", path.file_name().unwrap().to_str().unwrap()), &text);
                }
                lab
            },
            &APPLY,
        );
        assert!(cuts >= 14, "{cuts} cuts");
    }

    fn a_replacement(api: Api) {
        let cuts = cut_everywhere(|| replacement::lab(api, "Coach Noor", ""), &APPLY);
        assert!(cuts >= 16, "{cuts} cuts");
    }

    fn a_replacement_with_a_conversation_in_between(api: Api) {
        let smoke = "smoke:\n  - {version_set: release, say: Hello}\n  - {version_set: release, say: Well}\n";
        let cuts = cut_everywhere(|| replacement::lab(api, "Coach Noor", smoke), &APPLY);
        assert!(cuts >= 20, "{cuts} cuts");
    }

    fn a_swap_of_names_and_a_removal(api: Api) {
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
        let cuts = cut_everywhere(lab, &["apply", "--auto-approve", "--prune", "--parallelism", "1"]);
        assert!(cuts >= 14, "{cuts} cuts");
    }
}

#[test]
fn a_replacement_whose_old_service_is_deleted() {
    let lifecycle = "lifecycle: {on_agent_change: replace, retire: delete}\n";
    let lab = || replacement::lab_with(Api::Platform, "Coach Noor", lifecycle);
    let after = lab();
    after.apply().expect(0);
    assert_eq!(after.services().len(), 1, "the old one is gone");
    let cuts = cut_everywhere(lab, &APPLY);
    assert!(cuts >= 16, "{cuts} cuts");
}

#[test]
fn an_agent_that_changes_in_place_with_its_pins_and_a_set_that_goes() {
    let cuts = cut_everywhere(
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
