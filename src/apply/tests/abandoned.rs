//! An unfinished replacement that another run activates in the moment in which this one abandons it.

use super::bench::{Bench, Fate, in_virtual_time};
use super::operator::{Edit, edit};
use crate::model::*;
use crate::plan::tests::build::{desired, live, wanted};
use crate::remote::Stop;

/// The new service gets its name back, unless another service has taken the name meanwhile. The server is one that lets a
/// rename through that says nothing of activity.
#[test]
fn an_abandoned_service_in_use_gets_its_name_back_only_if_the_name_is_free() {
    for is_taken in [false, true] {
        in_virtual_time(async move {
            let new = LiveService { active: false, ..live("n", "Coach", "A2") };
            let bench =
                Bench::new(Api::Classic, vec![live("c", "Coach", "A1"), new, live("e", "Extra", "A1")]);
            let old: &'static str = bench.active("Coach").await[0].id.as_str().to_owned().leak();
            let is_new = |name: &str, active: bool| name == "Coach" && !active;
            edit(Api::Classic, &bench.emulator, is_new, Edit::Tag(TAG_REPLACES, old));
            let stop = Stop::default();
            let client = bench.connect(stop.clone(), None);
            let manifests = desired([wanted("Coach", "A1")]);
            let (snapshot, plan) = bench.plan(&client, &manifests, false).await.expect("a plan");
            let new =
                snapshot.services.iter().find(|service| !service.active).expect("it is there").id.clone();
            bench.on(move |info, emulator| {
                let edit = |name: &str, active: bool, what: Edit| {
                    edit(Api::Classic, emulator, |other, is| other.starts_with(name) && is == active, what);
                };
                if info.is_write() && info.body.contains("(abandoned ") {
                    // The other run finishes its hand-over.
                    edit("Coach", true, Edit::Rename("Old coach"));
                    edit("Coach", false, Edit::Activate);
                } else if is_taken && info.is_write() && info.body.contains("\"name\":\"Coach\"") {
                    edit("Extra", true, Edit::Rename("Coach"));
                    if !info.body.contains("is_active") {
                        edit("Coach (abandoned ", true, Edit::Rename("Coach"));
                        return Fate::Answered(200, "done");
                    }
                }
                Fate::Proceeds
            });
            let ended = bench.run(&client, &snapshot, plan, &stop).await;
            bench.calm();
            let coaches = bench.active("Coach").await;
            assert_eq!(coaches.len(), 1, "{:?}", ended.failures());
            assert_eq!(coaches[0].id == new, !is_taken, "{coaches:#?}");
            assert!(!ended.is_complete(), "it says that another run has activated it");
        });
    }
}
