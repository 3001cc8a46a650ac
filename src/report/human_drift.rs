//! Renders the differences of a service in a drift report, for a terminal. The text describes the current state, and
//! announces no changes.

use super::shown::ShownChange;
use super::values::{FIELDS, changes, field};
use super::{Mode, causes, created, lookalikes, version_sets};
use crate::model::Api;
use crate::plan::{Field, Plan, ServiceKind, ServicePlan, VersionSetChangeKind, created_content};

/// Writes the differences of a service. The values of each change in `plan` must already be swapped, so that the change
/// leads from the declared to the live value.
pub(super) fn service(out: &mut String, plan: &Plan, shown: &ServicePlan, api: Api) {
    let replaces = shown.kind == ServiceKind::Replace;
    // If an earlier run has already made the cut-over, amigops itself gave the old service this former name. So the
    // name is not shown.
    if let Some(former) = &shown.former_name
        && !(replaces && shown.continued)
    {
        let renamed = shown.changes.field(&Field::Name);
        let cause = causes::styled_note(Mode::Drift, renamed.and_then(|change| change.cause));
        let (former, _) = lookalikes::names(former, &shown.name);
        field(out, "live name", &format!("{former}{cause}"));
    }
    if let Some(cause) = causes::of_service(Mode::Drift, shown) {
        field(out, "cause", &causes::colored(cause));
    } else if plan.is_base_unknown(shown) {
        field(out, "cause", &causes::colored(causes::BASE_UNKNOWN));
    }
    if shown.adopted {
        field(out, "owner", "none");
    }
    if shown.continued {
        field(out, "unfinished", "a replacement that an earlier run began");
    }
    match shown.kind {
        ServiceKind::Create => created::render(out, &created_content(plan, shown, api)),
        // An orphan has no manifest that it could be compared with.
        ServiceKind::Retire => field(out, "orphan", "live and owned by this project, in no manifest"),
        ServiceKind::Update | ServiceKind::Replace => differences(out, plan, shown),
    }
}

fn differences(out: &mut String, plan: &Plan, shown: &ServicePlan) {
    let replaces = shown.kind == ServiceKind::Replace;
    let own = shown.changes.fields.iter().filter(|change| change.field != Field::Name);
    let noted = own.map(|change| {
        let forces = replaces && change.field.is_reference();
        let note = if forces {
            causes::forcing_note(Mode::Drift, change.cause)
        } else {
            causes::note(Mode::Drift, change.cause)
        };
        ShownChange::of_field(change, note)
    });
    changes(out, FIELDS, noted);
    for set in plan.version_set_changes(shown) {
        match set.kind {
            VersionSetChangeKind::Changed => version_sets::changed(out, Mode::Drift, set),
            VersionSetChangeKind::Created | VersionSetChangeKind::Deleted => {
                version_sets::whole(out, Mode::Drift, set)
            }
        }
    }
}
