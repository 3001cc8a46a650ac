//! Tests in which another user changes a service after the plan was made. No step may undo the change without
//! reporting it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::operator::{Edit, edit};
use super::organization::{APIS, FinishedRun, Handling, SentRequest, TestOrganization, in_virtual_time};
use crate::build::{desired, live, live_set, sets, wanted};
use crate::model::*;
use crate::remote::Stop;

/// Returns true if the request reads one or several services by their ids.
pub(super) fn is_read_by_id(request: &SentRequest) -> bool {
    let by_id = request.target.split("/services/").nth(1).is_some_and(|rest| !rest.is_empty());
    request.is_read() && (request.target.contains("/service/?id=") || by_id)
}

/// A finished run, during which an operator has edited a service just before a read by id.
pub(super) struct EditedRun {
    pub(super) org: TestOrganization,
    pub(super) run: FinishedRun,
    /// The number of writes that the run sent after the edit.
    writes_after_edit: usize,
}

impl EditedRun {
    /// Runs a plan, one step at a time. Makes an edit just before the read by id with the index `read`. The edited
    /// service is the first one for which `which` returns true. The arguments of `which` are the service's name, and
    /// true if the service is active.
    pub(super) async fn run(
        api: Api,
        (live, desired, prune): (Vec<LiveService>, &Desired, bool),
        read: usize,
        which: impl Fn(&str, bool) -> bool + Send + Clone + 'static,
        change: Edit,
    ) -> Self {
        let org = TestOrganization::new(api, live);
        let stop = Stop::default();
        let client = org.connect(stop.clone(), None);
        let (snapshot, plan) = org.plan(&client, desired, prune).await.expect("there is a plan");
        let (reads, written) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&written);
        org.on_request(move |request, emulator| {
            if is_read_by_id(request) && reads.fetch_add(1, Ordering::SeqCst) == read {
                edit(api, emulator, which.clone(), change);
            }
            if reads.load(Ordering::SeqCst) > read && request.is_write() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            Handling::Process
        });
        let run = org.run_with(&client, (&snapshot, plan), &stop, 1).await;
        org.process_all();
        assert!(org.requests().iter().any(is_read_by_id), "{api:?}: a step reads its services");
        Self { org, run, writes_after_edit: written.load(Ordering::SeqCst) }
    }

    /// Checks that the step stopped with a message that contains `path`, and that the run sent no write after the
    /// edit.
    #[track_caller]
    pub(super) fn check_stopped(&self, path: &str) {
        let failures = self.run.failures();
        let message = failures.first().cloned().unwrap_or_default();
        assert!(message.starts_with("changed since the plan was made: "), "{path}: {message:?}");
        assert!(message.contains(path), "{path}: {message}");
        assert_eq!(self.writes_after_edit, 0, "{path}: {message}");
    }
}

pub(super) fn coach() -> LiveService {
    let mut coach = live("c", "Coach", "A1");
    coach.version_sets.insert("release".into(), live_set(1, 1));
    coach.tags.insert("team".to_owned(), Some("care".to_owned()));
    coach
}

/// Returns a minimal manifest of Coach with a new agent, so that Coach must be replaced.
fn replacement() -> DesiredService {
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
fn an_edit_of_the_old_service_before_the_cut_over_stops_it() {
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
                let desired = desired([replacement()]);
                let edited = EditedRun::run(api, (vec![coach()], &desired, false), 0, is_old, what).await;
                edited.check_stopped(path);
                let before = edited.org.services().await;
                // The next run finishes the replacement, or its plan is refused.
                let client = edited.org.connect(Stop::default(), None);
                if let Ok((snapshot, plan)) = edited.org.plan(&client, &desired, false).await {
                    let next = edited.org.run(&client, &snapshot, plan, &Stop::default()).await;
                    assert!(next.is_complete(), "{api:?} {what:?}: {:?}", next.failures());
                    let (_, rest) = edited.org.plan(&client, &desired, false).await.expect("there is a plan");
                    assert!(rest.is_empty(), "{api:?} {what:?}: {rest:#?}");
                }
                // Under another name, the old service no longer belongs to the manifest, so a new one is created.
                if what != Edit::Rename("Coach 2") {
                    let after = edited.org.services().await;
                    assert_eq!(after.len(), before.len(), "no second copy after {what:?}: {after:#?}");
                }
            });
        }
    }
}

#[test]
fn undeclared_changes_of_the_old_service_are_copied_to_the_new_one() {
    type Holds = fn(&LiveService) -> bool;
    let edits: [(Edit, Holds); 3] = [
        (Edit::Describe("Edited"), |new| new.description == "Edited"),
        (Edit::Tag("console", "yes"), |new| new.tags.get("console") == Some(&Some("yes".to_owned()))),
        (Edit::Keyterm("sugar"), |new| new.keyterms == ["sugar"]),
    ];
    for api in APIS {
        for (what, holds) in edits {
            in_virtual_time(async {
                let desired = desired([replacement()]);
                let edited = EditedRun::run(api, (vec![coach()], &desired, false), 0, is_old, what).await;
                assert!(edited.run.is_complete(), "{api:?} {what:?}: {:?}", edited.run.failures());
                let active = edited.org.active("Coach").await;
                assert_eq!(active.len(), 1);
                assert!(holds(&active[0]), "{api:?} {what:?}: {active:#?}");
                let team = active[0].tags.get("team");
                assert_eq!(team, Some(&Some("care".to_owned())), "the earlier tag is still there");
            });
        }
    }
}

#[test]
fn an_edit_of_a_value_that_the_plan_changes_stops_the_cut_over() {
    for api in APIS {
        in_virtual_time(async {
            let mut coach_wanted = replacement();
            coach_wanted.description = Some("Declared anew".to_owned());
            let desired = desired([coach_wanted]);
            let edited =
                EditedRun::run(api, (vec![coach()], &desired, false), 0, is_old, Edit::Describe("Edited"))
                    .await;
            edited.check_stopped("`description` of `Coach`");
        });
    }
}

#[test]
fn an_edit_of_the_new_service_stops_the_cut_over() {
    for api in APIS {
        for (what, path) in [
            (Edit::Rename("Mine"), "`name` of"),
            (Edit::Agent("A3"), "`agent` of"),
            (Edit::Delete, "was deleted"),
        ] {
            in_virtual_time(async {
                let desired = desired([replacement()]);
                let edited = EditedRun::run(api, (vec![coach()], &desired, false), 0, is_new, what).await;
                edited.check_stopped(path);
                assert_eq!(edited.org.active("Coach").await.len(), 1);
            });
        }
        in_virtual_time(async {
            let desired = desired([replacement()]);
            let edited =
                EditedRun::run(api, (vec![coach()], &desired, false), 0, is_new, Edit::Activate).await;
            assert!(
                edited.run.is_complete(),
                "the activation is what the plan wants: {:?}",
                edited.run.failures()
            );
            assert_eq!(edited.org.active("Coach").await.len(), 1);
        });
    }
}

/// Returns the new service of an unfinished replacement. Its agent is not the one that the manifest declares now.
fn leftover(api: Api) -> LiveService {
    let mut leftover = live("n", "Coach", "A3");
    leftover.active = false;
    if api == Api::Platform {
        leftover.name = "unknown yet".into();
    }
    leftover
}

#[test]
fn a_service_to_abandon_stays_as_it_is_if_it_was_activated() {
    for api in APIS {
        in_virtual_time(async {
            let org = TestOrganization::new(api, [coach(), leftover(api)]);
            // The tag `replaces` needs the id that the emulator has given to the old service.
            let services = org.services().await;
            let old = services.iter().find(|service| service.active).expect("it exists").id.clone();
            let name = match api {
                Api::Classic => "Coach".to_owned(),
                Api::Platform => format!("Coach (replacing {})", &old.as_str()[..6]),
            };
            let (name, tag): (&'static str, &'static str) = (name.leak(), old.as_str().to_owned().leak());
            let is_leftover = |_: &str, active: bool| !active;
            edit(api, &org.emulator, is_leftover, Edit::Rename(name));
            edit(api, &org.emulator, is_leftover, Edit::Tag("replaces", tag));
            let desired = desired([wanted("Coach", "A1")]);
            let client = org.connect(Stop::default(), None);
            let (snapshot, plan) = org.plan(&client, &desired, false).await.expect("there is a plan");
            assert!(matches!(plan.steps[0].action, crate::plan::Action::Abandon { .. }), "{plan:#?}");
            let done = AtomicUsize::new(0);
            org.on_request(move |request, emulator| {
                if is_read_by_id(request) && done.fetch_add(1, Ordering::SeqCst) == 0 {
                    edit(api, emulator, |_, active| !active, Edit::Activate);
                }
                Handling::Process
            });
            let ended = org.run(&client, &snapshot, plan, &Stop::default()).await;
            assert!(ended.failures()[0].contains("`active` of"), "{api:?}: {:?}", ended.failures());
            let services = org.services().await;
            let current = services.iter().find(|service| service.id != old).expect("it exists");
            assert_eq!((current.name.as_str(), current.active), (name, true));
            assert!(current.tags.contains_key("replaces"), "{current:#?}");
        });
    }
}

#[test]
fn the_old_service_stays_active_if_the_new_one_was_deactivated() {
    for api in APIS {
        in_virtual_time(async {
            let desired = desired([replacement()]);
            // The cut-over reads with one request on Classic, and with two on Platform.
            let read = if api == Api::Classic { 1 } else { 2 };
            let edited =
                EditedRun::run(api, (vec![coach()], &desired, false), read, is_old, Edit::Deactivate).await;
            edited.check_stopped("`active` of `Coach`");
            let services = edited.org.services().await;
            assert!(services.iter().any(|service| service.active), "{api:?}: {services:#?}");
        });
    }
}

#[test]
fn an_orphan_is_retired_unless_a_relevant_value_has_changed() {
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
                EditedRun::run(api, (live, &desired, true), 0, extra, what).await.check_stopped(path);
            });
        }
        for what in [Edit::Deactivate, Edit::Describe("Edited"), Edit::Tag("console", "yes")] {
            in_virtual_time(async {
                let live = vec![coach(), live("e", "Extra", "A1")];
                let desired = desired([wanted("Coach", "A1")]);
                let edited = EditedRun::run(api, (live, &desired, true), 0, extra, what).await;
                assert!(edited.run.is_complete(), "{api:?} {what:?}: {:?}", edited.run.failures());
                assert_eq!(edited.org.active("Extra").await.len(), 0);
            });
        }
    }
}

/// Returns a manifest of Coach with one change, which is possible without a replacement.
pub(super) fn in_place(change: impl FnOnce(&mut DesiredService)) -> Desired {
    let mut coach = wanted("Coach", "A1");
    coach.description = None;
    change(&mut coach);
    desired([coach])
}

#[test]
fn an_edit_of_a_value_that_an_update_changes_stops_it() {
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
                let edited = EditedRun::run(api, (vec![live], desired, false), 0, is_old, *what).await;
                edited.check_stopped(path);
            });
        }
    }
}

#[test]
fn an_update_keeps_edits_of_other_values() {
    for api in APIS {
        in_virtual_time(async {
            let tags = [("team".to_owned(), Some("sales".to_owned()))].into();
            let desired = in_place(|coach| coach.tags = Some(tags));
            let what = Edit::Tag("console", "yes");
            let edited = EditedRun::run(api, (vec![coach()], &desired, false), 0, is_old, what).await;
            assert!(edited.run.is_complete(), "{:?}", edited.run.failures());
            let coach = &edited.org.active("Coach").await[0];
            assert_eq!(coach.tags.get("console"), Some(&Some("yes".to_owned())), "{api:?}: {coach:#?}");
            assert_eq!(coach.tags.get("team"), Some(&Some("sales".to_owned())));
        });
    }
}

#[test]
fn a_swap_of_names_stops_if_one_service_was_renamed() {
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
            let edited = EditedRun::run(api, (live, &desired, false), 0, which, Edit::Rename("Mine")).await;
            edited.check_stopped("`name` of");
        });
    }
}

#[test]
fn steps_that_only_write_declared_values_do_not_read_first() {
    for api in APIS {
        in_virtual_time(async {
            // A user's own tag `origin` stays as it is, so the plan writes no tags.
            let mut live = coach();
            live.tags.insert("origin".to_owned(), Some("of a user".to_owned()));
            let org = TestOrganization::new(api, [live]);
            let desired = in_place(|coach| coach.description = Some("Declared anew".to_owned()));
            let ended = org.apply(&desired).await;
            assert!(ended.is_complete(), "{:?}", ended.failures());
            assert!(!org.requests().iter().any(is_read_by_id), "{api:?}");
        });
    }
}
