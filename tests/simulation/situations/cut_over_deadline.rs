//! Tests that a cut-over always ends in time, and that a run never undoes a cut-over without checking the live state
//! first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::operator::{Edit, edit};
use super::organization::{APIS, FinishedRun, Handling, SentRequest, TestOrganization, in_virtual_time};
use crate::build::{desired, live, wanted};
use crate::model::*;
use crate::remote::{Stop, StopReason};
use amigops_emulator::InProcess;

/// The maximum time that is documented, plus one second for the last answer.
const MAX_TIME: Duration = Duration::from_secs(181);

/// A finished run that included a cut-over.
struct CutOverRun {
    org: TestOrganization,
    run: FinishedRun,
    /// The time from the first rename of the old service to the end of the run.
    took: Duration,
}

fn replacement() -> Desired {
    let mut coach = wanted("Coach", "A2");
    coach.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    desired([coach])
}

/// Replaces Coach. `handle` decides how requests are handled, beginning with the rename of the old service. Its last
/// argument is true for that rename, and false for later requests.
async fn run_cut_over(
    api: Api,
    stop: &Stop,
    deadline: Option<Duration>,
    mut handle: impl FnMut(&SentRequest, &InProcess, bool) -> Handling + Send + 'static,
) -> CutOverRun {
    let org = TestOrganization::new(api, [live("c", "Coach", "A1"), live("o", "Other", "A1")]);
    let client = org.connect(stop.clone(), deadline.map(|after| Instant::now() + after));
    let (snapshot, plan) = org.plan(&client, &replacement_and_other(), false).await.expect("there is a plan");
    let renamed = AtomicBool::new(false);
    org.on_request(move |request, emulator| {
        if request.is_rename() {
            renamed.store(true, Ordering::SeqCst);
        }
        match renamed.load(Ordering::SeqCst) {
            true => handle(request, emulator, request.is_rename()),
            false => Handling::Process,
        }
    });
    let start = Instant::now();
    let run = tokio::time::timeout(Duration::from_secs(7_200), org.run(&client, &snapshot, plan, stop)).await;
    let end = start.elapsed();
    let run = run.expect("the run ends");
    let rename = org.requests().iter().find(|request| request.is_rename()).map(|request| request.at);
    let first = org.requests().first().map(|request| request.at).unwrap_or_default();
    let took = end.saturating_sub(rename.unwrap_or_default().saturating_sub(first));
    org.process_all();
    CutOverRun { org, run, took }
}

fn replacement_and_other() -> Desired {
    let mut all = replacement();
    all.services.extend(desired([wanted("Other", "A1")]).services);
    all
}

impl CutOverRun {
    fn undo_count(&self) -> usize {
        self.org.requests().iter().filter(|request| request.is_undo()).count()
    }

    /// Checks that the run has failed with a message that contains `words`, and that it ended in time.
    #[track_caller]
    fn check_failure(&self, words: &str) {
        let failures = self.run.failures();
        assert!(failures.iter().any(|failure| failure.contains(words)), "{words}: {failures:?}");
        assert!(self.took <= MAX_TIME, "{:?}: {failures:?}", self.took);
    }

    /// Checks that the next run completes the replacement.
    async fn check_next_run_finishes(&self) {
        let next = self.org.apply(&replacement_and_other()).await;
        assert!(next.is_complete(), "{:?}", next.failures());
        assert_eq!(self.org.active("Coach").await.len(), 1);
        assert_eq!(self.org.services().await.len(), 3, "no second copy");
    }
}

const NO_HOLDER: &str = "no service has the name `Coach`";

#[test]
fn a_lost_rename_without_a_successful_read_ends_in_time_and_undoes_nothing() {
    for api in APIS {
        in_virtual_time(async {
            let cut_over =
                run_cut_over(api, &Stop::default(), None, |request, _, is_rename| match is_rename {
                    true => Handling::LoseAnswer,
                    false if request.is_read() => Handling::Answer(500, "down"),
                    false => Handling::Process,
                })
                .await;
            cut_over.check_failure(NO_HOLDER);
            assert_eq!(cut_over.undo_count(), 0, "{api:?}");
            cut_over.check_next_run_finishes().await;
        });
    }
}

#[test]
fn a_cut_over_ends_in_time_if_the_server_is_gone_after_the_rename() {
    for api in APIS {
        for refuses in [true, false] {
            in_virtual_time(async {
                let cut_over =
                    run_cut_over(api, &Stop::default(), None, move |_, _, is_rename| match is_rename {
                        true => Handling::Process,
                        false if refuses => Handling::Unreachable,
                        false => Handling::NoAnswer,
                    })
                    .await;
                cut_over.check_failure(NO_HOLDER);
                cut_over.check_next_run_finishes().await;
            });
        }
    }
}

#[test]
fn the_old_service_gets_its_name_back_once_the_server_is_back() {
    for api in APIS {
        in_virtual_time(async {
            let mut gone_at = None;
            let cut_over = run_cut_over(api, &Stop::default(), None, move |request, _, is_rename| {
                let gone_at = *gone_at.get_or_insert(request.at);
                match is_rename || request.at > gone_at + Duration::from_secs(100) {
                    true => Handling::Process,
                    false => Handling::Unreachable,
                }
            })
            .await;
            cut_over.check_failure("the old service has its name back");
            assert_eq!((cut_over.undo_count(), cut_over.org.active("Coach").await.len()), (1, 1), "{api:?}");
            cut_over.check_next_run_finishes().await;
        });
    }
}

#[test]
fn a_retry_after_of_an_hour_is_not_waited_for() {
    for api in APIS {
        in_virtual_time(async {
            let cut_over =
                run_cut_over(api, &Stop::default(), None, |request, _, is_rename| match is_rename {
                    true => Handling::Process,
                    false if request.is_write() => Handling::RefuseFor(429, 3_600),
                    false => Handling::Process,
                })
                .await;
            cut_over.check_failure(NO_HOLDER);
            assert!(cut_over.undo_count() >= 2, "{api:?}");
        });
        in_virtual_time(async {
            let cut_over =
                run_cut_over(api, &Stop::default(), None, |request, _, is_rename| match is_rename {
                    true => Handling::Process,
                    false if request.is_activation() => Handling::Answer(400, "deprecated"),
                    false if request.is_read() => Handling::RefuseFor(429, 3_600),
                    false => Handling::Process,
                })
                .await;
            cut_over.check_failure(NO_HOLDER);
            assert_eq!(cut_over.undo_count(), 0, "{api:?}");
        });
    }
}

#[test]
fn a_name_that_another_service_has_taken_is_not_given_back() {
    for api in APIS {
        in_virtual_time(async {
            let cut_over = run_cut_over(api, &Stop::default(), None, move |request, emulator, _| {
                if request.is_activation() {
                    edit(api, emulator, |name, _| name == "Other", Edit::Rename("Coach"));
                    return Handling::Answer(400, "deprecated");
                }
                Handling::Process
            })
            .await;
            cut_over.check_failure("has taken the name");
            assert_eq!((cut_over.undo_count(), cut_over.org.active("Coach").await.len()), (0, 1), "{api:?}");
        });
    }
}

#[test]
fn the_old_service_does_not_get_its_name_back_if_its_successor_has_another_name() {
    for api in APIS {
        in_virtual_time(async {
            let cut_over = run_cut_over(api, &Stop::default(), None, move |request, emulator, _| {
                if request.is_activation() {
                    let old = id_of_old(api, emulator);
                    edit(api, emulator, |name, _| name == "Other", Edit::Tag("replaces", old.leak()));
                    edit(api, emulator, |name, _| name == "Other", Edit::Rename("Trainer"));
                    return Handling::Answer(409, "taken");
                }
                Handling::Process
            })
            .await;
            cut_over.check_failure("has taken");
            assert_eq!(cut_over.undo_count(), 0, "{api:?}");
        });
    }
}

/// Returns the id of the old service, which the cut-over has renamed.
fn id_of_old(api: Api, emulator: &InProcess) -> String {
    use crate::schedules::world::ORGANIZATION;
    use amigops_emulator::SANDBOX_WORKSPACE;
    let world = emulator.world();
    let ids: Vec<(String, String)> = match api {
        Api::Classic => {
            let home = world.organization(ORGANIZATION).expect("it exists");
            home.services().iter().map(|service| (service.name.clone(), service.id.clone())).collect()
        }
        Api::Platform => {
            let home = world.workspace(SANDBOX_WORKSPACE).expect("it exists");
            home.services().iter().map(|service| (service.name.clone(), service.id.clone())).collect()
        }
    };
    ids.into_iter().find(|(name, _)| name.contains("(replaced ")).expect("the old service is renamed").1
}

#[test]
fn neither_ctrl_c_nor_a_timeout_changes_the_time_of_an_undo() {
    for api in APIS {
        for why in [StopReason::Interrupt, StopReason::Timeout] {
            in_virtual_time(async {
                let stop = Stop::default();
                let cancelling = stop.clone();
                let mut down_at = None;
                let timeout = (why == StopReason::Timeout).then_some(Duration::from_secs(5));
                let cut_over = run_cut_over(api, &stop, timeout, move |request, _, is_rename| {
                    cancelling.cancel(why);
                    let down_at = *down_at.get_or_insert(request.at);
                    match is_rename || request.at > down_at + Duration::from_secs(120) {
                        true => Handling::Process,
                        false => Handling::Answer(503, "maintenance"),
                    }
                })
                .await;
                cut_over.check_failure("the old service has its name back");
                assert_eq!(cut_over.org.active("Coach").await.len(), 1);
            });
            in_virtual_time(async {
                let stop = Stop::default();
                let cancelling = stop.clone();
                let timeout = (why == StopReason::Timeout).then_some(Duration::from_secs(5));
                let cut_over = run_cut_over(api, &stop, timeout, move |_, _, is_rename| {
                    cancelling.cancel(why);
                    if is_rename { Handling::Process } else { Handling::Answer(503, "maintenance") }
                })
                .await;
                cut_over.check_failure(NO_HOLDER);
            });
        }
    }
}

#[test]
fn an_activation_with_a_lost_answer_is_checked_with_a_read() {
    for api in APIS {
        in_virtual_time(async {
            let lost = AtomicBool::new(false);
            let cut_over = run_cut_over(api, &Stop::default(), None, move |request, _, _| {
                match request.is_activation() && !lost.swap(true, Ordering::SeqCst) {
                    true => Handling::LoseAnswer,
                    false => Handling::Process,
                }
            })
            .await;
            assert!(cut_over.run.is_complete(), "{:?}", cut_over.run.failures());
            assert_eq!(cut_over.undo_count(), 0);
            assert_eq!(cut_over.org.active("Coach").await.len(), 1);
        });
    }
}
