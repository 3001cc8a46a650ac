//! Checks the content that a service would get against the rules of the API. Each violation is reported as a problem.

use std::collections::BTreeMap;

use super::diff::{self, Content};
use super::draft::Draft;
use super::matcher::ServiceMatch;
use super::types::{Action, Problem, ProblemKind};
use crate::model::{LiveService, settings};

/// Checks that a service would not have more tags than the API allows, including the tags that the tool adds. Returns
/// false and reports a problem if it would have too many.
pub(super) fn check_tag_count(
    draft: &mut Draft<'_>,
    matched: &ServiceMatch<'_>,
    tags: &BTreeMap<String, Option<String>>,
) -> bool {
    let (count, most) = (tags.len(), draft.options.api.max_tags());
    if count > most {
        let name = &matched.wanted.name;
        let message = format!(
            "`{name}` would have {count} tags, including those that amigops adds; the API allows {most}"
        );
        let help = ["remove tags from the live service, or declare fewer tags in `tags:`"];
        draft.problem(ProblemKind::Impossible, matched, message, &help);
    }
    count <= most
}

/// Checks that no tag is lost when the tags of a service are written. The API can return several tags with the same
/// key, but accepts only one tag per key. Returns false and reports a problem if tags would be lost.
pub(super) fn check_repeated_tags(
    draft: &mut Draft<'_>,
    matched: &ServiceMatch<'_>,
    live: &LiveService,
    writes_tags: bool,
) -> bool {
    let loses_tags = writes_tags && matched.wanted.tags.is_none() && !live.repeated_tags.is_empty();
    if loses_tags {
        let keys: Vec<&str> = live.repeated_tags.iter().map(String::as_str).collect();
        let message = format!(
            "`{}` ({}) has several tags with the key `{}`: writing the service's tags would lose all but one of them",
            live.name,
            live.id,
            keys.join("`, `")
        );
        let help =
            ["remove all but one of these tags from the live service, or declare `tags:` in the manifest"];
        draft.problem(ProblemKind::Impossible, matched, message, &help);
    }
    !loses_tags
}

/// Reports settings that the API requires and that neither the manifest nor the live service has.
pub(super) fn check_required_settings(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>, content: &Content) {
    for path in settings::missing(settings::SERVICE, &content.settings) {
        let setting = path.split('.').next().unwrap_or_default();
        let message = format!("`{}` would lack `{path}`, which the API requires", content.name);
        draft.problem(ProblemKind::Impossible, matched, message, &["add this setting to the manifest"]);
        locate_last_problem(draft, matched, setting);
    }
}

/// Reports settings that a manifest sets to null, although the API can't remove them from a live service.
pub(super) fn check_removable_settings(
    draft: &mut Draft<'_>,
    matched: &ServiceMatch<'_>,
    live: &LiveService,
    content: &Content,
) {
    for name in diff::cleared(content, live) {
        let help = match name {
            "escalation_policy" => {
                "write `type: operator` for each trigger: this means the same as no policy"
            }
            _ => {
                "set the fields one by one, or remove the whole key from the manifest to leave these fields unmanaged"
            }
        };
        let message = format!(
            "`{name}` of `{}` can't be removed: the API ignores nulls when it updates a service",
            live.name
        );
        draft.problem(ProblemKind::Impossible, matched, message, &[help]);
        locate_last_problem(draft, matched, name);
    }
}

/// Makes the last problem of the draft point to the place in the manifest where a setting is declared.
fn locate_last_problem(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>, name: &str) {
    let place = matched.wanted.setting_places.get(name).cloned();
    if let Some(problem) = draft.problems.last_mut() {
        problem.place = place.or_else(|| problem.place.take());
    }
}

/// Reports names that are too long for the API. Names that the tool gives are longer than the original names.
pub(super) fn check_name_lengths(draft: &mut Draft<'_>) {
    let Some(most) = draft.options.api.max_name() else { return };
    let new_name = |action: &Action| match action {
        Action::Create(new) => Some(new.name.clone()),
        Action::Update { update, .. }
        | Action::RenameTemporarily { update, .. }
        | Action::Abandon { update, .. } => update.name.clone(),
        Action::HandOver { rename: update, .. } | Action::Retire { update, .. } => {
            update.as_ref().and_then(|update| update.name.clone())
        }
        Action::WriteVersionSet { .. }
        | Action::DeleteVersionSet { .. }
        | Action::ApplyBehaviorSet { .. }
        | Action::Smoke { .. } => None,
    };
    for step in &draft.steps {
        let Some(name) = new_name(&step.action).filter(|name| name.as_str().chars().count() > most) else {
            continue;
        };
        draft.problems.push(Problem {
            kind: ProblemKind::Impossible,
            service: Some(step.service.clone()),
            place: None,
            message: format!(
                "the name `{name}` would be longer than the {most} characters that the API allows"
            ),
            help: vec!["give the service a shorter name first".to_owned()],
        });
    }
}
