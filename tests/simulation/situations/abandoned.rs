//! Tests in which a run abandons the new service of an unfinished replacement while another run activates it.

use super::operator::{Edit, edit};
use super::organization::{Handling, TestOrganization, in_virtual_time};
use crate::build::{desired, live, wanted};
use crate::model::*;
use crate::remote::Stop;

/// The server accepts a rename to a name that another service has, if the request does not activate the service at
/// the same time.
#[test]
fn an_abandoned_service_that_is_active_gets_its_name_back_only_if_the_name_is_free() {
    for is_taken in [false, true] {
        in_virtual_time(async move {
            let new = LiveService { active: false, ..live("n", "Coach", "A2") };
            let org = TestOrganization::new(
                Api::Classic,
                vec![live("c", "Coach", "A1"), new, live("e", "Extra", "A1")],
            );
            let old: &'static str = org.active("Coach").await[0].id.as_str().to_owned().leak();
            let is_new = |name: &str, active: bool| name == "Coach" && !active;
            edit(Api::Classic, &org.emulator, is_new, Edit::Tag(TAG_REPLACES, old));
            let stop = Stop::default();
            let client = org.connect(stop.clone(), None);
            let manifests = desired([wanted("Coach", "A1")]);
            let (snapshot, plan) = org.plan(&client, &manifests, false).await.expect("there is a plan");
            let new = snapshot.services.iter().find(|service| !service.active).expect("it exists").id.clone();
            org.on_request(move |request, emulator| {
                let edit = |name: &str, active: bool, what: Edit| {
                    edit(Api::Classic, emulator, |other, is| other.starts_with(name) && is == active, what);
                };
                if request.is_write() && request.body.contains("(abandoned ") {
                    // The other run finishes its cut-over.
                    edit("Coach", true, Edit::Rename("Old coach"));
                    edit("Coach", false, Edit::Activate);
                } else if is_taken && request.is_write() && request.body.contains("\"name\":\"Coach\"") {
                    edit("Extra", true, Edit::Rename("Coach"));
                    if !request.body.contains("is_active") {
                        edit("Coach (abandoned ", true, Edit::Rename("Coach"));
                        return Handling::Answer(200, "done");
                    }
                }
                Handling::Process
            });
            let ended = org.run(&client, &snapshot, plan, &stop).await;
            org.process_all();
            let coaches = org.active("Coach").await;
            assert_eq!(coaches.len(), 1, "{:?}", ended.failures());
            assert_eq!(coaches[0].id == new, !is_taken, "{coaches:#?}");
            assert!(!ended.is_complete(), "the report says that another run has activated it");
        });
    }
}
