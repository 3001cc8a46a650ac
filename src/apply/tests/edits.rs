//! Changes by another user between the plan and a step: none is undone silently.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bench::{APIS, Bench, Ended, Fate, Info, in_virtual_time};
use super::operator::{Edit, edit};
use crate::model::*;
use crate::plan::tests::build::{desired, live, live_set, sets, wanted};
use crate::remote::Stop;

/// A request that reads services by id.
pub(super) fn is_look(info: &Info) -> bool {
    let by_id = info.target.split("/services/").nth(1).is_some_and(|rest| !rest.is_empty());
    info.is_read() && (info.target.contains("/service/?id=") || by_id)
}

/// A run during which an operator edits a service just before a look; what was written after that is counted.
pub(super) struct Scene {
    pub(super) bench: Bench,
    pub(super) ended: Ended,
    written_after: usize,
}

impl Scene {
    /// Edits the first service for which `which` (its name, whether it is active) holds, before the look with this
    /// number.
    pub(super) async fn play(
        api: Api,
        (live, desired, prune): (Vec<LiveService>, &Desired, bool),
        look: usize,
        which: impl Fn(&str, bool) -> bool + Send + Clone + 'static,
        what: Edit,
    ) -> Self {
        let bench = Bench::new(api, live);
        let stop = Stop::default();
        let client = bench.connect(stop.clone(), None);
        let (snapshot, plan) = bench.plan(&client, desired, prune).await.expect("a plan");
        let (looks, written) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&written);
        bench.on(move |info, emulator| {
            if is_look(info) && looks.fetch_add(1, Ordering::SeqCst) == look {
                edit(api, emulator, which.clone(), what);
            }
            if looks.load(Ordering::SeqCst) > look && info.is_write() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            Fate::Proceeds
        });
        let ended = bench.run_with(&client, &snapshot, plan, &stop, 1).await;
        bench.calm();
        assert!(bench.requests().iter().any(is_look), "{api:?}: a step looks");
        Self { bench, ended, written_after: written.load(Ordering::SeqCst) }
    }

    /// The step has stopped, says why, and nothing was written.
    #[track_caller]
    pub(super) fn stopped_over(&self, path: &str) {
        let failures = self.ended.failures();
        let words = failures.first().cloned().unwrap_or_default();
        assert!(words.starts_with("changed since the plan was made: "), "{path}: {words:?}");
        assert!(words.contains(path), "{path}: {words}");
        assert_eq!(self.written_after, 0, "{path}: {words}");
    }
}

pub(super) fn coach() -> LiveService {
    let mut coach = live("c", "Coach", "A1");
    coach.version_sets.insert("release".into(), live_set(1, 1));
    coach.tags.insert("team".to_owned(), Some("care".to_owned()));
    coach
}

/// Coach with another agent, by replacement; nothing that can be left out is declared.
fn replaced() -> DesiredService {
    let mut coach = wanted("Coach", "A2");
    coach.description = None;
    coach.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    coach
}

pub(super) fn is_old(name: &str, active: bool) -> bool {
    name == "Coach" && active
}

fn is_new(name: &str, active: bool) -> bool {
    name.starts_with("Coach") && !active
}

#[test]
fn what_an_operator_changes_of_the_old_service_before_the_hand_over_stops_it() {
    let edits = [
        (Edit::Deactivate, "`active` of `Coach`"),
        (Edit::Rename("Coach 2"), "`name` of `Coach`"),
        (Edit::Tag("managed_by", "others"), "`tags.managed_by` of `Coach`"),
        (Edit::Tag("protected", "true"), "`tags.protected` of `Coach`"),
        (Edit::Pin("release", 2), "`version_sets.release.agent_version` of `Coach`"),
        (Edit::Pin("staging", 2), "`version_sets.staging.agent_version` of `Coach`"),
        (Edit::Agent("A3"), "`agent` of `Coach`"),
        (Edit::Delete, "was deleted"),
    ];
    for api in APIS {
        for (what, path) in edits {
            in_virtual_time(async {
                let desired = desired([replaced()]);
                let scene = Scene::play(api, (vec![coach()], &desired, false), 0, is_old, what).await;
                scene.stopped_over(path);
                let before = scene.bench.services().await;
                // The next run goes on from there, or says why it can't.
                let client = scene.bench.connect(Stop::default(), None);
                if let Ok((snapshot, plan)) = scene.bench.plan(&client, &desired, false).await {
                    let next = scene.bench.run(&client, &snapshot, plan, &Stop::default()).await;
                    assert!(next.is_complete(), "{api:?} {what:?}: {:?}", next.failures());
                    let (_, rest) = scene.bench.plan(&client, &desired, false).await.expect("a plan");
                    assert!(rest.is_empty(), "{api:?} {what:?}: {rest:#?}");
                }
                // Under another name the old service is not this manifest's any more, and a new one is made.
                if what != Edit::Rename("Coach 2") {
                    let after = scene.bench.services().await;
                    assert_eq!(after.len(), before.len(), "no second copy after {what:?}: {after:#?}");
                }
            });
        }
    }
}

#[test]
fn what_no_manifest_declares_goes_along_to_the_new_service() {
    type Holds = fn(&LiveService) -> bool;
    let edits: [(Edit, Holds); 3] = [
        (Edit::Describe("Edited"), |new| new.description == "Edited"),
        (Edit::Tag("console", "yes"), |new| new.tags.get("console") == Some(&Some("yes".to_owned()))),
        (Edit::Keyterm("sugar"), |new| new.keyterms == ["sugar"]),
    ];
    for api in APIS {
        for (what, holds) in edits {
            in_virtual_time(async {
                let desired = desired([replaced()]);
                let scene = Scene::play(api, (vec![coach()], &desired, false), 0, is_old, what).await;
                assert!(scene.ended.is_complete(), "{api:?} {what:?}: {:?}", scene.ended.failures());
                let active = scene.bench.active("Coach").await;
                assert_eq!(active.len(), 1);
                assert!(holds(&active[0]), "{api:?} {what:?}: {active:#?}");
                let team = active[0].tags.get("team");
                assert_eq!(team, Some(&Some("care".to_owned())), "what was there is still there");
            });
        }
    }
}

#[test]
fn what_the_plan_itself_changes_is_not_changed_past_an_operator() {
    for api in APIS {
        in_virtual_time(async {
            let mut coach_wanted = replaced();
            coach_wanted.description = Some("Declared anew".to_owned());
            let desired = desired([coach_wanted]);
            let scene =
                Scene::play(api, (vec![coach()], &desired, false), 0, is_old, Edit::Describe("Edited")).await;
            scene.stopped_over("`description` of `Coach`");
        });
    }
}

#[test]
fn what_an_operator_does_to_the_new_service_stops_the_hand_over() {
    for api in APIS {
        for (what, path) in [
            (Edit::Rename("Mine"), "`name` of"),
            (Edit::Agent("A3"), "`agent` of"),
            (Edit::Delete, "was deleted"),
        ] {
            in_virtual_time(async {
                let desired = desired([replaced()]);
                let scene = Scene::play(api, (vec![coach()], &desired, false), 0, is_new, what).await;
                scene.stopped_over(path);
                assert_eq!(scene.bench.active("Coach").await.len(), 1);
            });
        }
        in_virtual_time(async {
            let desired = desired([replaced()]);
            let scene = Scene::play(api, (vec![coach()], &desired, false), 0, is_new, Edit::Activate).await;
            assert!(scene.ended.is_complete(), "what was wanted is done: {:?}", scene.ended.failures());
            assert_eq!(scene.bench.active("Coach").await.len(), 1);
        });
    }
}

/// A new service that an earlier run has made for an agent that is no longer wanted.
fn leftover(api: Api) -> LiveService {
    let mut leftover = live("n", "Coach", "A3");
    leftover.active = false;
    if api == Api::Platform {
        leftover.name = "unknown yet".into();
    }
    leftover
}

#[test]
fn an_abandoned_service_that_somebody_has_activated_is_left_alone() {
    for api in APIS {
        in_virtual_time(async {
            let bench = Bench::new(api, [coach(), leftover(api)]);
            // The tag names the id that the emulator has given.
            let services = bench.services().await;
            let old = services.iter().find(|service| service.active).expect("it is there").id.clone();
            let name = match api {
                Api::Classic => "Coach".to_owned(),
                Api::Platform => format!("Coach (replacing {})", &old.as_str()[..6]),
            };
            let (name, tag): (&'static str, &'static str) = (name.leak(), old.as_str().to_owned().leak());
            let is_leftover = |_: &str, active: bool| !active;
            edit(api, &bench.emulator, is_leftover, Edit::Rename(name));
            edit(api, &bench.emulator, is_leftover, Edit::Tag("replaces", tag));
            let desired = desired([wanted("Coach", "A1")]);
            let client = bench.connect(Stop::default(), None);
            let (snapshot, plan) = bench.plan(&client, &desired, false).await.expect("a plan");
            assert!(matches!(plan.steps[0].action, crate::plan::Action::Abandon { .. }), "{plan:#?}");
            let done = AtomicUsize::new(0);
            bench.on(move |info, emulator| {
                if is_look(info) && done.fetch_add(1, Ordering::SeqCst) == 0 {
                    edit(api, emulator, |_, active| !active, Edit::Activate);
                }
                Fate::Proceeds
            });
            let ended = bench.run(&client, &snapshot, plan, &Stop::default()).await;
            assert!(ended.failures()[0].contains("`active` of"), "{api:?}: {:?}", ended.failures());
            let there = bench.services().await;
            let there = there.iter().find(|service| service.id != old).expect("it is there");
            assert_eq!((there.name.as_str(), there.active), (name, true));
            assert!(there.tags.contains_key("replaces"), "{there:#?}");
        });
    }
}

#[test]
fn the_old_service_stays_in_use_if_the_new_one_has_gone_out_of_use() {
    for api in APIS {
        in_virtual_time(async {
            let desired = desired([replaced()]);
            // The look of the hand-over takes one request on Classic and two on Platform.
            let look = if api == Api::Classic { 1 } else { 2 };
            let scene =
                Scene::play(api, (vec![coach()], &desired, false), look, is_old, Edit::Deactivate).await;
            scene.stopped_over("`active` of `Coach`");
            let services = scene.bench.services().await;
            assert!(services.iter().any(|service| service.active), "{api:?}: {services:#?}");
        });
    }
}

#[test]
fn an_orphan_is_retired_only_as_it_was_planned() {
    let stops = [
        (Edit::Rename("Mine"), "`name` of `Extra`"),
        (Edit::Tag("managed_by", "others"), "`tags.managed_by` of `Extra`"),
        (Edit::Tag("protected", "true"), "`tags.protected` of `Extra`"),
        (Edit::Agent("A3"), "`agent` of `Extra`"),
        (Edit::Delete, "was deleted"),
    ];
    let extra = |name: &str, _: bool| name == "Extra";
    for api in APIS {
        for (what, path) in stops {
            in_virtual_time(async {
                let live = vec![coach(), live("e", "Extra", "A1")];
                let desired = desired([wanted("Coach", "A1")]);
                Scene::play(api, (live, &desired, true), 0, extra, what).await.stopped_over(path);
            });
        }
        for what in [Edit::Deactivate, Edit::Describe("Edited"), Edit::Tag("console", "yes")] {
            in_virtual_time(async {
                let live = vec![coach(), live("e", "Extra", "A1")];
                let desired = desired([wanted("Coach", "A1")]);
                let scene = Scene::play(api, (live, &desired, true), 0, extra, what).await;
                assert!(scene.ended.is_complete(), "{api:?} {what:?}: {:?}", scene.ended.failures());
                assert_eq!(scene.bench.active("Extra").await.len(), 0);
            });
        }
    }
}

/// Manifests by what they change of Coach in place.
pub(super) fn in_place(change: impl FnOnce(&mut DesiredService)) -> Desired {
    let mut coach = wanted("Coach", "A1");
    coach.description = None;
    change(&mut coach);
    desired([coach])
}

#[test]
fn a_change_in_place_is_not_made_past_an_operators() {
    let renamed = || {
        let mut trainer = wanted("Trainer", "A1");
        trainer.lifecycle.renamed_from = Some("Coach".into());
        desired([trainer])
    };
    let tags = |pairs: &[(&str, &str)]| {
        Some(pairs.iter().map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned()))).collect())
    };
    let cases: Vec<(Desired, Edit, &str)> = vec![
        (renamed(), Edit::Rename("Mine"), "`name` of `Coach`"),
        (renamed(), Edit::Tag("managed_by", "others"), "`tags.managed_by` of `Coach`"),
        (in_place(|coach| coach.active = Some(false)), Edit::Rename("Mine"), "`name` of `Coach`"),
        (
            in_place(|coach| coach.tags = tags(&[("team", "sales")])),
            Edit::Tag("team", "ops"),
            "`tags.team` of",
        ),
        (
            in_place(|coach| coach.version_sets = sets(&[("release", 3, 1)])),
            Edit::Pin("release", 2),
            "`version_sets.release.agent_version` of `Coach`",
        ),
        (
            in_place(|coach| coach.version_sets = sets(&[("dev", 3, 1)])),
            Edit::Pin("dev", 2),
            "`version_sets.dev",
        ),
        (in_place(|coach| coach.version_sets = sets(&[])), Edit::Pin("old", 2), "`version_sets.old"),
    ];
    for api in APIS {
        for (desired, what, path) in &cases {
            in_virtual_time(async {
                let mut live = coach();
                live.version_sets.insert("old".into(), live_set(1, 1));
                let scene = Scene::play(api, (vec![live], desired, false), 0, is_old, *what).await;
                scene.stopped_over(path);
            });
        }
    }
}

#[test]
fn what_a_step_does_not_touch_stays_as_an_operator_has_left_it() {
    for api in APIS {
        in_virtual_time(async {
            let tags = [("team".to_owned(), Some("sales".to_owned()))].into();
            let desired = in_place(|coach| coach.tags = Some(tags));
            let what = Edit::Tag("console", "yes");
            let scene = Scene::play(api, (vec![coach()], &desired, false), 0, is_old, what).await;
            assert!(scene.ended.is_complete(), "{:?}", scene.ended.failures());
            let there = &scene.bench.active("Coach").await[0];
            assert_eq!(there.tags.get("console"), Some(&Some("yes".to_owned())), "{api:?}: {there:#?}");
            assert_eq!(there.tags.get("team"), Some(&Some("sales".to_owned())));
        });
    }
}

#[test]
fn a_swap_of_names_stops_where_somebody_has_renamed_one() {
    for api in APIS {
        in_virtual_time(async {
            let live = vec![live("a", "Able", "A1"), live("b", "Baker", "A2")];
            let swapped = |name: &str, from: &str, agent: &str| {
                let mut wanted = wanted(name, agent);
                wanted.description = None;
                wanted.lifecycle.renamed_from = Some(from.into());
                wanted
            };
            let desired = desired([swapped("Able", "Baker", "A2"), swapped("Baker", "Able", "A1")]);
            let which = |name: &str, _: bool| name == "Able" || name == "Baker";
            let scene = Scene::play(api, (live, &desired, false), 0, which, Edit::Rename("Mine")).await;
            scene.stopped_over("`name` of");
        });
    }
}

#[test]
fn steps_that_only_say_what_a_manifest_says_do_not_look() {
    for api in APIS {
        in_virtual_time(async {
            let bench = Bench::new(api, [coach()]);
            let desired = in_place(|coach| coach.description = Some("Declared anew".to_owned()));
            let ended = bench.apply(&desired).await;
            assert!(ended.is_complete(), "{:?}", ended.failures());
            assert!(!bench.requests().iter().any(is_look), "{api:?}");
        });
    }
}
