//! On Platform, version sets and settings blocks are written whole, made of one more read of the service: what an operator
//! changes before that read is compared, too.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::bench::{Bench, Fate, in_virtual_time};
use super::edits::{Scene, coach, in_place, is_look, is_old};
use super::operator::{Edit, edit};
use crate::model::*;
use crate::plan::tests::build::{live_set, sets};

#[test]
fn what_an_operator_changes_before_the_read_that_a_write_is_made_of_is_compared_too() {
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
                let scene = Scene::play(Api::Platform, (vec![live], desired, false), 1, is_old, what).await;
                let looks = scene.bench.requests().iter().filter(|info| is_look(info)).count();
                match path {
                    Some(path) => scene.stopped_over(path),
                    None => assert!(looks >= 3, "{what:?}: {:?}", scene.ended.failures()),
                }
            });
        }
    }
}

/// A server that answers every read in another way does not keep a step from being done.
#[test]
fn a_service_that_changes_with_every_read_is_written_after_some_looks() {
    in_virtual_time(async {
        let mut live = coach();
        live.version_sets.insert("old".into(), live_set(1, 1));
        let bench = Bench::new(Api::Platform, [live]);
        let terms = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let reads = AtomicUsize::new(0);
        bench.on(move |info, emulator| {
            if is_look(info) {
                let term = terms[reads.fetch_add(1, Ordering::SeqCst) % terms.len()];
                edit(Api::Platform, emulator, is_old, Edit::Keyterm(term));
            }
            Fate::Proceeds
        });
        let ended = bench.apply(&in_place(|coach| coach.version_sets = sets(&[]))).await;
        assert!(ended.is_complete(), "{:?}", ended.failures());
        assert!(bench.requests().iter().filter(|info| is_look(info)).count() <= 8);
        bench.calm();
        assert!(!bench.active("Coach").await[0].version_sets.contains_key("old"));
    });
}
