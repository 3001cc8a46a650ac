//! Tests of writes that replace all version sets or settings of a service at once, as Platform does. The run reads
//! the service again before such a write, and also finds changes that an operator made before that read.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::operator::{Edit, edit};
use super::operator_edits::{EditedRun, coach, in_place, is_old, is_read_by_id};
use super::organization::{Handling, TestOrganization, in_virtual_time};
use crate::build::{live_set, sets};
use crate::model::*;

#[test]
fn a_change_before_the_read_that_a_write_is_built_from_is_compared_too() {
    let cases = [
        in_place(|coach| coach.version_sets = sets(&[])),
        in_place(|coach| {
            coach.agent = Reference::Name("A2".to_owned());
            coach.lifecycle.on_agent_change = Some(OnAgentChange::Update);
            coach.version_sets = sets(&[("release", 3, 1)]);
        }),
    ];
    for desired in &cases {
        for (what, path) in [
            (Edit::Tag("managed_by", "others"), Some("`tags.managed_by` of `Coach`")),
            (Edit::Pin("release", 2), None),
            (Edit::Tag("console", "yes"), None),
        ] {
            in_virtual_time(async {
                let mut live = coach();
                live.version_sets.insert("old".into(), live_set(1, 1));
                let edited =
                    EditedRun::run(Api::Platform, (vec![live], desired, false), 1, is_old, what).await;
                let reads = edited.org.requests().iter().filter(|request| is_read_by_id(request)).count();
                match path {
                    Some(path) => edited.check_stopped(path),
                    None => assert!(reads >= 3, "{what:?}: {:?}", edited.run.failures()),
                }
            });
        }
    }
}

#[test]
fn a_service_that_changes_with_every_read_is_written_after_some_reads() {
    in_virtual_time(async {
        // A user's own tag `origin` stays as it is, so the plan writes no tags.
        let mut live = coach();
        live.tags.insert("origin".to_owned(), Some("of a user".to_owned()));
        live.version_sets.insert("old".into(), live_set(1, 1));
        let org = TestOrganization::new(Api::Platform, [live]);
        let terms = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let reads = AtomicUsize::new(0);
        org.on_request(move |request, emulator| {
            if is_read_by_id(request) {
                let term = terms[reads.fetch_add(1, Ordering::SeqCst) % terms.len()];
                edit(Api::Platform, emulator, is_old, Edit::Keyterm(term));
            }
            Handling::Process
        });
        let ended = org.apply(&in_place(|coach| coach.version_sets = sets(&[]))).await;
        assert!(ended.is_complete(), "{:?}", ended.failures());
        assert!(org.requests().iter().filter(|request| is_read_by_id(request)).count() <= 8);
        org.process_all();
        assert!(!org.active("Coach").await[0].version_sets.contains_key("old"));
    });
}
