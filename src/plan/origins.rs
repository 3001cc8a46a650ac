//! Writes the tag `origin`, which stores the name that a service was made for and the commit that was written last.
//!
//! The tag goes along with other changes and is never a change by itself, so that a new commit alone changes nothing.

use super::diff::Content;
use super::draft::{Draft, DraftStep};
use super::matcher::ServiceMatch;
use super::types::{Action, Finding, Risk};
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
    let tag = OriginTag { name: NameHash::of(name), commit: draft.options.commit.clone(), is_former: false };
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

/// Adds the tag `origin` to an update that changes the service anyway.
pub(super) fn add_to_update(update: &mut ServiceUpdate, live: &LiveService, content: &Content) {
    // Without the tag in the content, writing all tags could lose some.
    let is_new = content.tags.get(TAG_ORIGIN).is_some_and(|tag| live.tags.get(TAG_ORIGIN) != Some(tag));
    if !update.is_empty() && is_new {
        update.tags = Some(content.tags.clone());
    }
}

/// Adds the step that writes the tag `origin` after the version sets of a service, if the service has no other update
/// and the tag has another value. The step runs after the steps `written`.
pub(super) fn record_commit(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    live: &LiveService,
    content: &Content,
    written: &[usize],
) {
    let mut update = ServiceUpdate { tags: Some(live.tags.clone()), ..ServiceUpdate::default() };
    add_to_update(&mut update, live, content);
    if written.is_empty() || update.tags.as_ref() == Some(&live.tags) {
        return;
    }
    let action = Action::Update { id: live.id.clone(), update: Box::new(update) };
    let mut step = DraftStep::new(&wanted.name, action, Risk::Safe);
    step.after.extend(written);
    step.blocks_dependents = false;
    step.reason =
        Some("its tag `origin` records the commit from which its version sets were written".to_owned());
    draft.push(step);
}

/// Adds to an update that takes a service out of use: marks its tag `origin`, so that no manifest matches it by that
/// tag. Does nothing if amigops did not write the tag, or if writing the tags would lose some.
pub(super) fn mark_former(update: &mut ServiceUpdate, live: &LiveService) {
    let tags = update.tags.as_ref().unwrap_or(&live.tags);
    let Some(origin) = OriginTag::of(tags).filter(|_| live.repeated_tags.is_empty()) else { return };
    let mut tags = tags.clone();
    let origin = OriginTag { is_former: true, ..origin };
    tags.insert(TAG_ORIGIN.to_owned(), Some(origin.to_string()));
    update.tags = Some(tags);
}
