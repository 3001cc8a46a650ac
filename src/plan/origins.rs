//! Writes the tag `origin`, which stores the name that a service was made for and the commit that was written last.
//!
//! The tag goes along with other changes. A new commit is never a change by itself. But a tag that identifies a service
//! in the wrong way is: without a correction, another manifest could get the service later. The planner writes tags
//! without a commit, and [`with_commit`] adds the commit to a finished plan.

use std::collections::BTreeMap;

use super::changes::{Field, FieldChange};
use super::diff::{self, Content};
use super::draft::{Draft, DraftStep};
use super::matcher::ServiceMatch;
use super::types::{Action, Finding, Plan, Risk};
use crate::model::{
    DesiredService, LiveService, NameHash, OriginTag, ServiceUpdate, TAG_ORIGIN, TAG_REPLACES,
};

/// Adds the tag `origin` to the content of a service. Returns a note if the tag can't be written.
pub(super) fn add(draft: &Draft<'_>, matched: &ServiceMatch<'_>, content: &mut Content) -> Option<Finding> {
    if !draft.policy.ownership.origin {
        return None;
    }
    let reason = if content.tags.contains_key(TAG_ORIGIN) {
        Some("a user has set it to another value".to_owned())
    } else {
        obstacle(draft, matched, content)
    };
    let name = &matched.wanted.name;
    if let Some(reason) = reason {
        let message = format!(
            "its tag `origin` is not written: {reason}; so a rename by another client can't be recognized"
        );
        return Some(Finding::note(name.clone(), message));
    }
    let tag = OriginTag { name: NameHash::of(name), commit: None, is_former: false };
    content.tags.insert(TAG_ORIGIN.to_owned(), Some(tag.to_string()));
    None
}

/// Returns the reason why the tag can't be written, or `None` if it can.
fn obstacle(draft: &Draft<'_>, matched: &ServiceMatch<'_>, content: &Content) -> Option<String> {
    let most = draft.options.api.max_tags();
    // The new service of a replacement also has the tag `replaces`. A change in place needs no room for it.
    let is_changed =
        |live: &LiveService| content.agent != live.agent || content.context_graph != live.context_graph;
    let may_replace = matched.unfinished.is_some() || matched.live.is_some_and(is_changed);
    let replaces = usize::from(may_replace && !content.tags.contains_key(TAG_REPLACES));
    if content.tags.len() + replaces >= most {
        return Some(format!("the API allows {most} tags"));
    }
    let repeated = matched.live.is_some_and(|live| !live.repeated_tags.is_empty());
    (repeated && matched.wanted.tags.is_none()).then(|| "several tags have the same key".to_owned())
}

/// Adds the tag `origin` to an update of a service. If the update changes the service anyway, the tag goes along, even if
/// its value stays the same: whether it is written must not depend on the commit, because a saved plan is compared with
/// a plan that may be made at another commit.
///
/// If the update changes nothing else, it writes the tag only if the live tag identifies the service in the wrong way,
/// and `changes` shows that.
pub(super) fn add_to_update(
    draft: &Draft<'_>,
    update: &mut ServiceUpdate,
    changes: &mut Vec<FieldChange>,
    live: &LiveService,
    content: &Content,
) {
    let Some(written) = OriginTag::of(&content.tags) else {
        return remove_from_update(draft, update, live, content);
    };
    let is_wrong = |tag: OriginTag| (&tag.name, tag.is_former) != (&written.name, written.is_former);
    if !update.is_empty() {
        update.tags = Some(content.tags.clone());
    } else if draft.options.corrects_origins && OriginTag::of(&live.tags).is_some_and(is_wrong) {
        let [before, after] = [&live.tags, &content.tags].map(|tags| diff::tag_value(tags.get(TAG_ORIGIN)));
        changes.push(FieldChange::new(Field::Tag(TAG_ORIGIN.to_owned()), before, after));
        update.tags = Some(content.tags.clone());
    }
}

/// Removes the tag `origin` in an update that changes the service anyway, if the project does without the tag. The tag
/// would identify the wrong service as soon as the service has another name.
fn remove_from_update(draft: &Draft<'_>, update: &mut ServiceUpdate, live: &LiveService, content: &Content) {
    let is_written = OriginTag::of(&live.tags).is_some() && live.repeated_tags.is_empty();
    if !draft.policy.ownership.origin && is_written && !update.is_empty() && update.tags.is_none() {
        update.tags = Some(content.tags.clone());
    }
}

/// Adds the step that writes the tag `origin` after the version sets of a service, if the service has no other update.
/// The step runs after the steps `written`, which write and delete the version sets.
pub(super) fn record_commit(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    live: &LiveService,
    content: &Content,
    written: &[usize],
) {
    if written.is_empty() || OriginTag::of(&content.tags).is_none() {
        return;
    }
    let update = ServiceUpdate { tags: Some(content.tags.clone()), ..ServiceUpdate::default() };
    let action = Action::Update { id: live.id.clone(), update: Box::new(update) };
    let mut step = DraftStep::new(&wanted.name, action, Risk::Safe);
    step.after.extend(written);
    step.blocks_dependents = false;
    step.reason =
        Some("its tag `origin` records the commit from which its version sets were written".to_owned());
    draft.push(step);
}

/// Returns the plan with a commit in the tags `origin` that it writes. The commit contains exactly the manifests of the
/// plan.
pub fn with_commit(mut plan: Plan, commit: &str) -> Plan {
    let set = |tags: &mut BTreeMap<String, Option<String>>| {
        if let Some(origin) = OriginTag::of(tags).filter(|origin| !origin.is_former) {
            let origin = OriginTag { commit: Some(commit.to_owned()), ..origin };
            tags.insert(TAG_ORIGIN.to_owned(), Some(origin.to_string()));
        }
    };
    for step in &mut plan.steps {
        match &mut step.action {
            Action::Create(new) => set(&mut new.tags),
            Action::Update { update, .. } => update.tags.iter_mut().for_each(set),
            _ => {}
        }
    }
    let steps = plan.steps.iter_mut().map(|step| &mut step.changes);
    for changes in steps.chain(plan.services.iter_mut().map(|service| &mut service.changes)) {
        for change in
            changes.fields.iter_mut().filter(|change| change.field == Field::Tag(TAG_ORIGIN.to_owned()))
        {
            if let Some(origin) = change.after.as_str().and_then(OriginTag::parse) {
                change.after = OriginTag { commit: Some(commit.to_owned()), ..origin }.to_string().into();
            }
        }
    }
    plan
}

/// Marks the tag `origin` of a service as former in the update that takes the service out of use. From then on, no
/// manifest matches the service by this tag. Does nothing if amigops did not write the tag, or if an update of the tags
/// would lose some of the service's tags.
pub(super) fn mark_former(update: &mut ServiceUpdate, live: &LiveService) {
    let tags = update.tags.as_ref().unwrap_or(&live.tags);
    let Some(origin) = OriginTag::of(tags).filter(|_| live.repeated_tags.is_empty()) else { return };
    let mut tags = tags.clone();
    let origin = OriginTag { is_former: true, ..origin };
    tags.insert(TAG_ORIGIN.to_owned(), Some(origin.to_string()));
    update.tags = Some(tags);
}
