//! Tests of other clients during a replacement: an operator who deletes the service, and a second run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use amigops::model::Api;
use amigops_emulator::Fault;

use super::{Kind, health_coach, remove, watch};
use crate::apply::replacement;
use crate::harness::{Lab, Run, amigops, is_activation, is_create, is_rename, run_command};

#[test]
fn an_operator_deletes_the_old_service_during_its_replacement() {
    let moments: [(&str, Kind); 3] =
        [("create", is_create), ("rename", is_rename), ("activation", is_activation)];
    for (name, moment) in moments {
        for retire in ["deactivate", "delete", "keep"] {
            let lifecycle = format!("lifecycle: {{on_agent_change: replace, retire: {retire}}}\n");
            let lab = Arc::new(health_coach("Coach Noor", &lifecycle));
            let old = lab.active("Health Coach");
            let (weak, id, done) = (Arc::downgrade(&lab), old.id.clone(), AtomicBool::new(false));
            lab.before(move |request| {
                if moment(request) && !done.swap(true, Ordering::SeqCst) {
                    remove(&weak.upgrade().unwrap(), &id);
                }
                None
            });
            let seen = watch(&lab);
            let run = lab.apply();
            assert!(matches!(run.code, Some(0 | 4)), "{name} {retire}: {}", run.stderr);
            lab.remove_hooks();
            // The next run completes the unfinished replacement.
            let again = lab.apply();
            assert_eq!(again.code, Some(0), "{name} {retire}: {}\n{}", run.stderr, again.stderr);
            let services = lab.services();
            let [new] = &services[..] else { panic!("{name} {retire}: {services:?}") };
            assert_eq!((new.name.as_str(), new.is_active), ("Health Coach", true), "{name} {retire}");
            assert_eq!(new.agent_id, lab.agent_id("Coach Noor"));
            assert_eq!(new.version_sets.get("personal-kim"), old.version_sets.get("personal-kim"));
            let seen = seen.lock().unwrap().clone();
            assert!(seen.iter().all(|(_, named)| *named <= 1), "{name} {retire}: {seen:?}");
            lab.expect_converged();
        }
    }
}

/// Runs two applies at the same time. Neither run writes until both have made their plans.
fn run_both(lab: &Lab) -> [Run; 2] {
    let run = || {
        let mut command = amigops(&lab.path());
        command.args(["apply", "--auto-approve"]).env("PLATFORM_API_KEY", "s3cret-key");
        std::thread::spawn(move || run_command(command))
    };
    // The run that writes first waits until the other run has also read everything. A plan needs three lists.
    let (reads, writes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (all_reads, all_writes) = (Arc::clone(&reads), writes);
    lab.before(move |request| {
        if request.method == "GET" {
            all_reads.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        let early = all_writes.fetch_add(1, Ordering::SeqCst) == 0 && all_reads.load(Ordering::SeqCst) < 6;
        if early { Some(Fault::Delay { millis: 400 }) } else { None }
    });
    let runs = [run(), run()];
    runs.map(|run| run.join().unwrap())
}

#[test]
fn concurrent_runs_replace_a_service_once() {
    for (inactive_names_taken, retire) in
        [(true, "deactivate"), (false, "deactivate"), (true, "delete"), (false, "delete")]
    {
        let lab = Lab::on_with(Api::Platform, replacement::SEED, |options| {
            options.platform.inactive_names_taken = inactive_names_taken;
        });
        lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
        let lifecycle = format!("lifecycle: {{on_agent_change: replace, retire: {retire}}}\n");
        lab.manifests(&replacement::manifest("Coach Noor", &lifecycle));
        let old = lab.active("Health Coach");
        let seen = watch(&lab);
        let runs = run_both(&lab);
        for run in &runs {
            // The read-back of one run may see changes that the other run has not finished yet.
            let sees_the_other = run.code == Some(1) && run.stderr.contains("the live state still differs");
            assert!(matches!(run.code, Some(0 | 4)) || sees_the_other, "{}", run.stderr);
        }
        lab.before(|_| None);
        let again = lab.apply();
        assert_eq!(again.code, Some(0), "{runs:#?}\n{}", again.stderr);
        let seen = seen.lock().unwrap().clone();
        let sound = |(active, named): &(usize, usize)| *active >= 1 && *named <= 1;
        assert!(seen.iter().all(sound), "{inactive_names_taken}: {seen:?}");
        assert_ne!(lab.active("Health Coach").id, old.id);
        let is_kept = lab.services().iter().any(|service| service.id == old.id);
        assert_eq!(is_kept, retire == "deactivate", "{:#?}", lab.services());
        let half_made = lab.services().into_iter().find(|service| service.name.contains("(replacing "));
        assert_eq!(half_made, None, "what came too late is given up");
        let active = lab.services().into_iter().filter(|service| service.is_active).count();
        assert_eq!(active, 1, "{:#?}", lab.services());
        lab.remove_hooks();
        lab.expect_converged();
    }
}
