//! Short notes about the cause of a change, if it is known.
//!
//! In a plan, a change that only this branch makes has no note, because that is the usual cause.

use super::Mode;
use super::text::{BAD, CHANGED, short_commit, styled, visible};
use crate::plan::{Base, Cause, FieldChange, ServiceKind, ServicePlan};

/// Returns the base as it is written in a report's heading: `base origin/main (1a2b3c4d5e)`.
pub(super) fn base(base: &Base) -> String {
    format!("base {} ({})", visible(&base.reference), short_commit(&base.commit))
}

/// The explanation of the cause `behind`, as a sentence. The sentence is true in two cases: the base branch declares
/// the live value, or it does not declare the value at all.
pub(super) const BEHIND: &str = "behind: the base branch keeps the live value, but this branch would revert it; merge the base branch first";

/// The note beside a service in a drift report if the commit that was applied to it is unknown.
pub(super) const BASE_UNKNOWN: &str = "base unknown";

/// Returns the note to show beside a changed value. In a plan, the note is empty if only this branch changes the value.
/// In a drift report, the note says that the change is pending.
pub(super) fn note(mode: Mode, cause: Option<Cause>) -> &'static str {
    match cause {
        None => "",
        Some(Cause::Manifest) if mode.is_drift() => "pending: not applied yet",
        Some(Cause::Manifest) => "",
        Some(Cause::Drift) => "drift: the live value differs from the base",
        Some(Cause::Both) => "conflict: live value, base and manifest all differ",
        Some(Cause::Behind) => "behind: merge the base branch, which keeps the live value",
    }
}

/// Returns the note on a cause in colour, to be appended to a line on a terminal. Returns an empty string if the cause
/// has no note.
pub(super) fn styled_note(mode: Mode, cause: Option<Cause>) -> String {
    match note(mode, cause) {
        "" => String::new(),
        note => format!("   {}", colored(note)),
    }
}

/// Returns a note in the colour of its cause.
pub(super) fn colored(note: &str) -> String {
    styled(if note.starts_with("pending") { CHANGED } else { BAD }, note)
}

/// Returns the note to show beside a changed value that forces a new service. The note says that a new service is
/// needed, and names the cause unless only this branch changes the value. In a drift report, the note says that only a
/// new service can revert the change.
pub(super) fn forcing_note(mode: Mode, cause: Option<Cause>) -> &'static str {
    match (mode.is_drift(), cause) {
        (true, None) => "reverting this requires a new service",
        (true, Some(Cause::Manifest)) => "pending: applying this requires a new service",
        (true, Some(Cause::Drift)) => {
            "reverting this requires a new service · drift: the live value differs from the base"
        }
        (true, Some(Cause::Both)) => {
            "reverting this requires a new service · conflict: live value, base and manifest all differ"
        }
        (true, Some(Cause::Behind)) => {
            "reverting this requires a new service · behind: merge the base branch, which keeps the live value"
        }
        (false, None | Some(Cause::Manifest)) => "forces a new service",
        (false, Some(Cause::Drift)) => "forces a new service · drift: the live value differs from the base",
        (false, Some(Cause::Both)) => {
            "forces a new service · conflict: live value, base and manifest all differ"
        }
        (false, Some(Cause::Behind)) => {
            "forces a new service · behind: merge the base branch, which keeps the live value"
        }
    }
}

/// Returns the note on the cause for which a service is created, replaced or retired. Returns `None` if the note beside
/// a changed value already shows the cause, or if only this branch causes it in a plan.
pub(super) fn of_service(mode: Mode, shown: &ServicePlan) -> Option<&'static str> {
    let is_noted = |change: &FieldChange| change.field.is_reference() && change.cause == shown.cause;
    Some(match (shown.kind, shown.cause?) {
        (ServiceKind::Update, _) => return None,
        (ServiceKind::Create, Cause::Manifest) if mode.is_drift() => "pending: not created yet",
        (ServiceKind::Retire, Cause::Manifest) if mode.is_drift() => "pending: not retired yet",
        (ServiceKind::Create | ServiceKind::Retire, Cause::Manifest) => return None,
        (ServiceKind::Create, Cause::Drift) => {
            "drift: the base declares this service, but the live service is gone"
        }
        (ServiceKind::Create, Cause::Both) => {
            "conflict: the live service is gone, and its manifest has changed since the base"
        }
        (ServiceKind::Create, Cause::Behind) => {
            "behind: merge the base branch, which no longer declares this service"
        }
        (ServiceKind::Retire, Cause::Behind) => {
            "behind: merge the base branch first, because it declares this service"
        }
        (ServiceKind::Retire, Cause::Both) => "conflict: this service has changed since the base",
        (ServiceKind::Retire, Cause::Drift) => {
            "drift: neither the base nor the base branch declares this service"
        }
        (ServiceKind::Replace, _) if shown.changes.fields.iter().any(is_noted) => return None,
        (ServiceKind::Replace, cause) => {
            return Some(note(mode, Some(cause))).filter(|note| !note.is_empty());
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::plan::{Field, ServiceChanges};

    fn shown(kind: ServiceKind, cause: Option<Cause>, changes: &[(Field, Cause)]) -> ServicePlan {
        let change = |(field, cause): &(Field, Cause)| FieldChange {
            cause: Some(*cause),
            ..FieldChange::new(field.clone(), Value::Null, Value::Null)
        };
        ServicePlan {
            name: "Desk".into(),
            kind,
            id: None,
            former_name: None,
            adopted: false,
            continued: false,
            joins: None,
            changes: ServiceChanges {
                fields: changes.iter().map(change).collect(),
                version_sets: Vec::new(),
            },
            last_change: None,
            cause,
            steps: Vec::new(),
        }
    }

    #[test]
    fn a_cause_is_shown_once_and_in_a_plan_only_for_changes_from_outside_the_branch() {
        use Cause::{Behind, Both, Drift, Manifest};
        for kind in [ServiceKind::Create, ServiceKind::Update, ServiceKind::Replace, ServiceKind::Retire] {
            for cause in [None, Some(Manifest)] {
                assert_eq!(of_service(Mode::Plan, &shown(kind, cause, &[])), None, "{kind:?} {cause:?}");
            }
            assert_eq!(of_service(Mode::Drift, &shown(kind, None, &[])), None);
            let pending = of_service(Mode::Drift, &shown(kind, Some(Manifest), &[])).unwrap_or_default();
            assert_eq!(pending.starts_with("pending: "), kind != ServiceKind::Update, "{kind:?}: {pending}");
            let words = of_service(Mode::Plan, &shown(kind, Some(Behind), &[])).unwrap_or_default();
            assert_eq!(words.starts_with("behind: "), kind != ServiceKind::Update, "{kind:?}: {words}");
        }
        let replaced = |changes| of_service(Mode::Plan, &shown(ServiceKind::Replace, Some(Both), changes));
        assert_eq!(replaced(&[(Field::Agent, Both)]), None, "the line of the agent shows it");
        assert!(replaced(&[(Field::Agent, Drift)]).is_some_and(|words| words.starts_with("conflict: ")));
        for cause in [Drift, Both, Behind] {
            for mode in [Mode::Plan, Mode::Drift] {
                assert!(forcing_note(mode, Some(cause)).ends_with(note(mode, Some(cause))));
                assert!(note(mode, Some(cause)).len() < 60);
            }
        }
        assert_eq!((note(Mode::Plan, None), note(Mode::Plan, Some(Manifest))), ("", ""));
        assert_eq!(
            (note(Mode::Drift, None), note(Mode::Drift, Some(Manifest))),
            ("", "pending: not applied yet")
        );
    }
}
