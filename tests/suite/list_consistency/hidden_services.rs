//! Tests that hide each service in each reading of the list during an apply, and in some pairs of readings. Nothing may
//! be duplicated, replaced or retired wrongly, and the next run must converge.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use amigops::model::Api;
use amigops_emulator::{Fault, RequestInfo, World};

use super::{is_list, seed, seeded};
use crate::apply::replacement;
use crate::harness::{EMPTY, Lab, is_activation, is_create, is_rename, service, services_of};
use crate::on_both_apis;

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--parallelism", "1"];

/// A lab with a project to apply, and additional flags of the apply.
struct Situation {
    name: &'static str,
    lab: fn(Api) -> Lab,
    more: &'static [&'static str],
    /// A function that returns true for the kind of request whose answer is lost once. `None` loses no answer.
    lost: Option<fn(&RequestInfo) -> bool>,
}

const fn situation(name: &'static str, lab: fn(Api) -> Lab) -> Situation {
    Situation { name, lab, more: &[], lost: None }
}

const SITUATIONS: &[Situation] = &[
    situation("create beside another", |api| {
        let lab = Lab::on(api, &seed(&[seeded("First", "")]));
        lab.manifests(&[service("First", ""), service("Second", "")].join("---\n"));
        lab
    }),
    situation("create an inactive one", |api| {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", "active: false\n"));
        lab
    }),
    Situation {
        lost: Some(is_create),
        ..situation("create, and the answer is lost", |api| {
            let lab = Lab::on(api, EMPTY);
            lab.manifests(&service("Desk", "active: false\n"));
            lab
        })
    },
    situation("update in place", |api| {
        let lab = Lab::on(api, &seed(&[seeded("First", ""), seeded("Second", "")]));
        let changed = service("Second", "keyterms: [new]\n");
        lab.manifests(&[service("First", ""), changed].join("---\n"));
        lab
    }),
    situation("adopt", |api| {
        let stranger = seeded("Second", "").replace(", tags: {managed_by: amigops}", "");
        let lab = Lab::on(api, &seed(&[seeded("First", ""), stranger]));
        lab.manifests(&[service("First", ""), service("Second", "")].join("---\n"));
        lab
    }),
    situation("activate", |api| {
        let lab = Lab::on(api, &seed(&[seeded("Desk", ", active: false")]));
        lab.manifests(&service("Desk", "active: true\n"));
        lab
    }),
    situation("replace", |api| replacement::lab(api, "Coach Noor", "")),
    Situation {
        lost: Some(is_activation),
        ..situation("replace, and the answer to the activation is lost", |api| {
            replacement::lab(api, "Coach Noor", "")
        })
    },
    situation("go on with a replacement before the rename", |api| {
        let lab = replacement::lab(api, "Coach Noor", "");
        stop_at(&lab, is_rename);
        lab
    }),
    situation("go on with a replacement after the rename", |api| {
        let lab = replacement::lab(api, "Coach Noor", "");
        stop_at(&lab, is_activation);
        lab
    }),
    situation("retire the old one of a replacement", |api| {
        let lab = replacement::lab(api, "Coach Noor", "");
        stop_at(&lab, |request| request.body.contains("\"is_active\":false") && !is_create(request));
        lab
    }),
    situation("rename", |api| {
        let lab = Lab::on(api, &seed(&[seeded("First", ""), seeded("Old", "")]));
        let renamed = service("New", "lifecycle: {renamed_from: Old}\n");
        lab.manifests(&[service("First", ""), renamed].join("---\n"));
        lab
    }),
    situation("swap names", |api| {
        let other = seeded("Right", "").replace("agent: One", "agent: Two");
        let lab = Lab::on(api, &seed(&[seeded("Left", ""), other]));
        let right = service("Right", "lifecycle: {renamed_from: Left}\n");
        let left = service("Left", "lifecycle: {renamed_from: Right}\n").replace("agent: One", "agent: Two");
        lab.manifests(&[right, left].join("---\n"));
        lab
    }),
    Situation {
        more: &["--prune"],
        ..situation("retire an orphan", |api| {
            let lab = Lab::on(api, &seed(&[seeded("First", ""), seeded("Orphan", "")]));
            lab.manifests(&service("First", ""));
            lab
        })
    },
    Situation {
        more: &["--prune"],
        ..situation("rename beside an orphan", |api| {
            let services = [seeded("First", ""), seeded("Old", ""), seeded("Orphan", "")];
            let lab = Lab::on(api, &seed(&services));
            let renamed = service("New", "lifecycle: {renamed_from: Old}\n");
            lab.manifests(&[service("First", ""), renamed].join("---\n"));
            lab
        })
    },
];

/// Runs an apply, and kills it at the first request of this kind.
fn stop_at(lab: &Lab, kind: fn(&RequestInfo) -> bool) {
    let hooks = Arc::clone(&lab.hooks);
    let is_cut = std::sync::atomic::AtomicBool::new(false);
    lab.before(move |request| {
        if kind(request) {
            hooks.kill();
            is_cut.store(true, Ordering::SeqCst);
        }
        is_cut.load(Ordering::SeqCst).then_some(Fault::LoseRequest)
    });
    let run = lab.run(&APPLY);
    assert_eq!(run.code, None, "the run is killed\n{}", run.stderr);
    lab.remove_hooks();
}

/// The id and the name of a service, and true if the service is active.
type Row = (String, String, bool);

fn rows(lab: &Lab) -> Vec<Row> {
    lab.services().into_iter().map(|service| (service.id, service.name, service.is_active)).collect()
}

/// Runs an apply during which one service is hidden in some readings of the list. Returns the exit code, the output,
/// and the number of readings.
fn run(lab: &Lab, situation: &Situation, hidden: Option<(&str, &[usize])>) -> (Option<i32>, String, usize) {
    let readings = Arc::new(AtomicUsize::new(0));
    let (count, lost) = (Arc::clone(&readings), situation.lost);
    let hidden = hidden.map(|(id, readings)| (id.to_owned(), readings.to_owned()));
    let is_lost = std::sync::atomic::AtomicBool::new(false);
    lab.before(move |request| {
        if lost.is_some_and(|lost| lost(request)) && !is_lost.swap(true, Ordering::SeqCst) {
            let mut fault = Fault::answer(500, "{\"detail\":\"lost\"}");
            if let Fault::Answer { processed, .. } = &mut fault {
                *processed = true;
            }
            return Some(fault);
        }
        if !is_list(request) {
            return None;
        }
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let (id, readings) = hidden.as_ref()?;
        readings.contains(&number).then(|| Fault::Hide { service: id.clone() })
    });
    let run = lab.run(&[&APPLY[..], situation.more].concat());
    lab.remove_hooks();
    (run.code, format!("{}\n{}", run.stdout, run.stderr), readings.load(Ordering::SeqCst))
}

/// Runs an apply without hiding a service. Returns the ids of all services that ever existed, the number of readings,
/// and the final state.
fn run_without_hiding(api: Api, situation: &Situation) -> (BTreeSet<String>, usize, Vec<Row>, Vec<String>) {
    let lab = (situation.lab)(api);
    let ids: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let seen = Arc::clone(&ids);
    lab.after(move |_, _, world: &World| {
        seen.lock().unwrap().extend(services_of(api, world).into_iter().map(|service| service.id));
    });
    let (code, said, readings) = run(&lab, situation, None);
    assert_eq!(code, Some(0), "{}: {said}", situation.name);
    lab.expect_converged();
    let ids = ids.lock().unwrap().clone();
    assert!(!ids.is_empty(), "{}", situation.name);
    (ids, readings, rows(&lab), lab.comparable_state())
}

/// Hides one service in some readings. Returns a description of the failure, if any.
fn hide(
    api: Api,
    situation: &Situation,
    hidden: (&str, &[usize]),
    end: &(Vec<Row>, Vec<String>),
) -> Option<String> {
    let lab = (situation.lab)(api);
    let (code, said, _) = run(&lab, situation, Some(hidden));
    let after = rows(&lab);
    if code != Some(0) {
        return Some(format!("exit code {code:?}: {said}"));
    }
    if after.len() > end.0.len() {
        return Some(format!("{after:?} instead of {:?}", end.0));
    }
    let (code, said, _) = run(&lab, &Situation { lost: None, ..situation_of(situation) }, None);
    let after = rows(&lab);
    if code != Some(0) || after != end.0 || lab.comparable_state() != end.1 {
        return Some(format!("the next run ends with {code:?}: {after:?} instead of {:?}: {said}", end.0));
    }
    let plan = lab.run(&["plan", "--detailed-exitcode"]);
    (plan.code != Some(0)).then(|| format!("planning again: {}", plan.stdout))
}

fn situation_of(situation: &Situation) -> Situation {
    let Situation { name, lab, more, lost } = *situation;
    Situation { name, lab, more, lost }
}

#[allow(clippy::disallowed_macros, reason = "what a test prints is shown with --nocapture only")]
/// Hides each service in each reading, and in some pairs of readings, of each situation.
fn hide_each_service_in_each_reading(api: Api) {
    let (mut cases, mut bad) = (0, Vec::new());
    for situation in SITUATIONS {
        let (ids, readings, rows, state) = run_without_hiding(api, situation);
        let end = (rows, state);
        for id in &ids {
            let one = (1..=readings).map(|reading| vec![reading]);
            // A decision may depend on only two readings, so pairs of readings are tested, too.
            let two = (3..=readings).map(|reading| vec![reading - 2, reading]);
            for hidden in one.chain(two) {
                cases += 1;
                if let Some(why) = hide(api, situation, (id, &hidden), &end) {
                    bad.push(format!("{}: {id} hidden in {hidden:?}: {why}", situation.name));
                }
            }
        }
    }
    println!("hidden services on {api:?}: {} of {cases} cases are bad", bad.len());
    assert!(cases > 50, "{cases} cases prove little");
    assert!(bad.is_empty(), "{} of {cases} cases are bad:\n{}", bad.len(), bad.join("\n"));
}

on_both_apis! {
    fn a_hidden_service_is_neither_duplicated_nor_replaced_nor_retired(api: Api) {
        hide_each_service_in_each_reading(api);
    }
}

/// The API key has no access to an active service, so no reading shows that service. The server refuses a second active
/// service with its name, and the error must mention this possible reason.
#[test]
fn a_service_invisible_to_the_key_is_mentioned_when_its_name_is_refused() {
    let key = "    api_keys: [{id: key-id, key: s3cret-key, user: user-1, hidden_services: [Desk]}]\n";
    let lab = Lab::new(&seed(&[seeded("Desk", "")]).replace("  acme:\n", &format!("  acme:\n{key}")));
    lab.manifests(&service("Desk", ""));
    let run = lab.apply().expect(4);
    assert_eq!(lab.services().len(), 1);
    for words in ["409", "another active service has this name", "hidden from this API key's user"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}
