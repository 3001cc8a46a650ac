//! The hand-over is over in time, whatever happens, and nothing is undone unseen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::bench::{APIS, Bench, Ended, Fate, Info, in_virtual_time};
use super::operator::{Edit, edit};
use crate::model::*;
use crate::plan::tests::build::{desired, live, wanted};
use crate::remote::{Stop, StopReason};
use amigops_emulator::InProcess;

/// The promise, and what the last answer takes.
const MOST: Duration = Duration::from_secs(181);

/// The outcome of a hand-over.
struct Scene {
    bench: Bench,
    ended: Ended,
    /// From the first rename to the end of the run.
    took: Duration,
}

fn replaced() -> Desired {
    let mut coach = wanted("Coach", "A2");
    coach.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    desired([coach])
}

/// Replaces Coach; `fate` decides what each request meets from the rename on, which it is told of.
async fn play(
    api: Api,
    stop: &Stop,
    deadline: Option<Duration>,
    mut fate: impl FnMut(&Info, &InProcess, bool) -> Fate + Send + 'static,
) -> Scene {
    let bench = Bench::new(api, [live("c", "Coach", "A1"), live("o", "Other", "A1")]);
    let client = bench.connect(stop.clone(), deadline.map(|after| Instant::now() + after));
    let (snapshot, plan) = bench.plan(&client, &replaced_and_other(), false).await.expect("a plan");
    let renamed = AtomicBool::new(false);
    bench.on(move |info, emulator| {
        if info.is_rename() {
            renamed.store(true, Ordering::SeqCst);
        }
        match renamed.load(Ordering::SeqCst) {
            true => fate(info, emulator, info.is_rename()),
            false => Fate::Proceeds,
        }
    });
    let begin = Instant::now();
    let ended =
        tokio::time::timeout(Duration::from_secs(7_200), bench.run(&client, &snapshot, plan, stop)).await;
    let end = begin.elapsed();
    let ended = ended.expect("it ends");
    let rename = bench.requests().iter().find(|info| info.is_rename()).map(|info| info.at);
    let began = bench.requests().first().map(|info| info.at).unwrap_or_default();
    let took = end.saturating_sub(rename.unwrap_or_default().saturating_sub(began));
    bench.calm();
    Scene { bench, ended, took }
}

fn replaced_and_other() -> Desired {
    let mut all = replaced();
    all.services.extend(desired([wanted("Other", "A1")]).services);
    all
}

impl Scene {
    fn undos(&self) -> usize {
        self.bench.requests().iter().filter(|info| info.is_undo()).count()
    }

    #[track_caller]
    fn says(&self, words: &str) {
        let failures = self.ended.failures();
        assert!(failures.iter().any(|failure| failure.contains(words)), "{words}: {failures:?}");
        assert!(self.took <= MOST, "{:?}: {failures:?}", self.took);
    }

    /// The next run does what is left.
    async fn goes_on(&self) {
        let next = self.bench.apply(&replaced_and_other()).await;
        assert!(next.is_complete(), "{:?}", next.failures());
        assert_eq!(self.bench.active("Coach").await.len(), 1);
        assert_eq!(self.bench.services().await.len(), 3, "no second copy");
    }
}

const NOBODY: &str = "no service has the name `Coach`";

#[test]
fn a_lost_rename_with_no_way_to_read_ends_in_time_and_undoes_nothing() {
    for api in APIS {
        in_virtual_time(async {
            let scene = play(api, &Stop::default(), None, |info, _, is_rename| match is_rename {
                true => Fate::AnswerLost,
                false if info.is_read() => Fate::Answered(500, "down"),
                false => Fate::Proceeds,
            })
            .await;
            scene.says(NOBODY);
            assert_eq!(scene.undos(), 0, "{api:?}");
            scene.goes_on().await;
        });
    }
}

#[test]
fn a_server_that_is_gone_after_the_rename_is_given_up_in_time() {
    for api in APIS {
        for refuses in [true, false] {
            in_virtual_time(async {
                let scene = play(api, &Stop::default(), None, move |_, _, is_rename| match is_rename {
                    true => Fate::Proceeds,
                    false if refuses => Fate::Unreached,
                    false => Fate::Swallowed,
                })
                .await;
                scene.says(NOBODY);
                scene.goes_on().await;
            });
        }
    }
}

#[test]
fn a_server_that_comes_back_gives_the_old_service_its_name_back() {
    for api in APIS {
        in_virtual_time(async {
            let mut gone_at = None;
            let scene = play(api, &Stop::default(), None, move |info, _, is_rename| {
                let gone_at = *gone_at.get_or_insert(info.at);
                match is_rename || info.at > gone_at + Duration::from_secs(100) {
                    true => Fate::Proceeds,
                    false => Fate::Unreached,
                }
            })
            .await;
            scene.says("the old service has its name back");
            assert_eq!((scene.undos(), scene.bench.active("Coach").await.len()), (1, 1), "{api:?}");
            scene.goes_on().await;
        });
    }
}

#[test]
fn who_asks_to_wait_an_hour_is_not_waited_for() {
    for api in APIS {
        in_virtual_time(async {
            let scene = play(api, &Stop::default(), None, |info, _, is_rename| match is_rename {
                true => Fate::Proceeds,
                false if info.is_write() => Fate::RefusedFor(429, 3_600),
                false => Fate::Proceeds,
            })
            .await;
            scene.says(NOBODY);
            assert!(scene.undos() >= 2, "{api:?}");
        });
        in_virtual_time(async {
            let scene = play(api, &Stop::default(), None, |info, _, is_rename| match is_rename {
                true => Fate::Proceeds,
                false if info.is_activation() => Fate::Answered(400, "deprecated"),
                false if info.is_read() => Fate::RefusedFor(429, 3_600),
                false => Fate::Proceeds,
            })
            .await;
            scene.says(NOBODY);
            assert_eq!(scene.undos(), 0, "{api:?}");
        });
    }
}

#[test]
fn a_name_that_another_service_has_taken_is_not_given_back() {
    for api in APIS {
        in_virtual_time(async {
            let scene = play(api, &Stop::default(), None, move |info, emulator, _| {
                if info.is_activation() {
                    edit(api, emulator, |name, _| name == "Other", Edit::Rename("Coach"));
                    return Fate::Answered(400, "deprecated");
                }
                Fate::Proceeds
            })
            .await;
            scene.says("has taken the name");
            assert_eq!((scene.undos(), scene.bench.active("Coach").await.len()), (0, 1), "{api:?}");
        });
    }
}

#[test]
fn a_former_service_whose_successor_is_in_use_under_another_name_is_not_called_back() {
    for api in APIS {
        in_virtual_time(async {
            let scene = play(api, &Stop::default(), None, move |info, emulator, _| {
                if info.is_activation() {
                    let old = info_of_old(api, emulator);
                    edit(api, emulator, |name, _| name == "Other", Edit::Tag("replaces", old.leak()));
                    edit(api, emulator, |name, _| name == "Other", Edit::Rename("Trainer"));
                    return Fate::Answered(409, "taken");
                }
                Fate::Proceeds
            })
            .await;
            scene.says("has taken");
            assert_eq!(scene.undos(), 0, "{api:?}");
        });
    }
}

/// The id of the old service, which is renamed by now.
fn info_of_old(api: Api, emulator: &InProcess) -> String {
    use super::super::simulation::world::ORGANIZATION;
    use amigops_emulator::SANDBOX_WORKSPACE;
    let world = emulator.world();
    let ids: Vec<(String, String)> = match api {
        Api::Classic => {
            let home = world.organization(ORGANIZATION).expect("it is there");
            home.services().iter().map(|service| (service.name.clone(), service.id.clone())).collect()
        }
        Api::Platform => {
            let home = world.workspace(SANDBOX_WORKSPACE).expect("it is there");
            home.services().iter().map(|service| (service.name.clone(), service.id.clone())).collect()
        }
    };
    ids.into_iter().find(|(name, _)| name.contains("(replaced ")).expect("it is renamed").1
}

#[test]
fn neither_ctrl_c_nor_the_end_of_the_runs_time_cuts_an_undo_short_or_makes_it_longer() {
    for api in APIS {
        for why in [StopReason::Interrupt, StopReason::Timeout] {
            in_virtual_time(async {
                let stop = Stop::default();
                let wish = stop.clone();
                let mut down_at = None;
                let timeout = (why == StopReason::Timeout).then_some(Duration::from_secs(5));
                let scene = play(api, &stop, timeout, move |info, _, is_rename| {
                    wish.cancel(why);
                    let down_at = *down_at.get_or_insert(info.at);
                    match is_rename || info.at > down_at + Duration::from_secs(120) {
                        true => Fate::Proceeds,
                        false => Fate::Answered(503, "maintenance"),
                    }
                })
                .await;
                scene.says("the old service has its name back");
                assert_eq!(scene.bench.active("Coach").await.len(), 1);
            });
            in_virtual_time(async {
                let stop = Stop::default();
                let wish = stop.clone();
                let timeout = (why == StopReason::Timeout).then_some(Duration::from_secs(5));
                let scene = play(api, &stop, timeout, move |_, _, is_rename| {
                    wish.cancel(why);
                    if is_rename { Fate::Proceeds } else { Fate::Answered(503, "maintenance") }
                })
                .await;
                scene.says(NOBODY);
            });
        }
    }
}

#[test]
fn an_activation_whose_answer_is_lost_is_looked_up_with_one_read() {
    for api in APIS {
        in_virtual_time(async {
            let lost = AtomicBool::new(false);
            let scene = play(api, &Stop::default(), None, move |info, _, _| {
                match info.is_activation() && !lost.swap(true, Ordering::SeqCst) {
                    true => Fate::AnswerLost,
                    false => Fate::Proceeds,
                }
            })
            .await;
            assert!(scene.ended.is_complete(), "{:?}", scene.ended.failures());
            assert_eq!(scene.undos(), 0);
            assert_eq!(scene.bench.active("Coach").await.len(), 1);
        });
    }
}
