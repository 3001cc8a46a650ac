//! Whose doing a change is, in a few words that are always true. May import `plan`.
//!
//! What the branch itself wants needs no words.

use crate::plan::{Base, Cause, Change, ServiceKind, ServicePlan};

use super::text::{short_commit, visible};

/// The base, for a heading: `base origin/main (1a2b3c4d5e)`.
pub(super) fn base(base: &Base) -> String {
    format!("base {} ({})", visible(&base.reference), short_commit(&base.commit))
}

/// What it means that a branch is behind, where there is room for a sentence: a true one whether the base's branch
/// says what is live or says nothing of it.
pub(super) const BEHIND: &str = "behind: the base's branch leaves what is live; this branch is behind it and would undo that: merge or rebase";

/// What stands beside a changed value; empty where the branch itself changes it.
pub(super) fn note(cause: Option<Cause>) -> &'static str {
    match cause {
        None | Some(Cause::Manifest) => "",
        Some(Cause::Drift) => "drift: live differs from the base",
        Some(Cause::Both) => "conflict: live, base and manifest all differ",
        Some(Cause::Behind) => "behind: the base's branch leaves the live value; merge it",
    }
}

/// The same, beside what forces a new service.
pub(super) fn forcing_note(cause: Option<Cause>) -> &'static str {
    match cause {
        None | Some(Cause::Manifest) => "forces a new service",
        Some(Cause::Drift) => "forces a new service · drift: live differs from the base",
        Some(Cause::Both) => "forces a new service · conflict: live, base and manifest all differ",
        Some(Cause::Behind) => {
            "forces a new service · behind: the base's branch leaves the live value; merge it"
        }
    }
}

/// Why a service comes or goes, where no changed value says it.
pub(super) fn of_service(shown: &ServicePlan) -> Option<&'static str> {
    let said = |change: &Change| {
        matches!(change.path.as_str(), "agent" | "context_graph") && change.cause == shown.cause
    };
    Some(match (shown.kind, shown.cause?) {
        (_, Cause::Manifest) | (ServiceKind::Update, _) => return None,
        (ServiceKind::Create, Cause::Drift) => "drift: the base declares it just so; it is gone live",
        (ServiceKind::Create, Cause::Both) => {
            "conflict: it is gone live, and its manifest has changed since the base"
        }
        (ServiceKind::Create, Cause::Behind) => "behind: the base's branch no longer declares it; merge it",
        (ServiceKind::Retire, Cause::Behind) => "behind: the base's branch declares it; merge it first",
        (ServiceKind::Retire, _) => "drift: neither the base nor its branch declares it",
        (ServiceKind::Replace, _) if shown.changes.iter().any(said) => return None,
        (ServiceKind::Replace, cause) => note(Some(cause)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn shown(kind: ServiceKind, cause: Option<Cause>, changes: &[(&str, Cause)]) -> ServicePlan {
        let change = |(path, cause): &(&str, Cause)| Change {
            cause: Some(*cause),
            ..Change::new(*path, Value::Null, Value::Null)
        };
        ServicePlan {
            name: "Desk".into(),
            kind,
            id: None,
            former_name: None,
            adopted: false,
            continued: false,
            joins: None,
            changes: changes.iter().map(change).collect(),
            last_change: None,
            cause,
            steps: Vec::new(),
        }
    }

    #[test]
    fn a_cause_is_said_once_and_only_where_it_is_not_the_branch_s_own() {
        use Cause::{Behind, Both, Drift, Manifest};
        for kind in [ServiceKind::Create, ServiceKind::Update, ServiceKind::Replace, ServiceKind::Retire] {
            for cause in [None, Some(Manifest)] {
                assert_eq!(of_service(&shown(kind, cause, &[])), None, "{kind:?} {cause:?}");
            }
            let words = of_service(&shown(kind, Some(Behind), &[])).unwrap_or_default();
            assert_eq!(words.starts_with("behind: "), kind != ServiceKind::Update, "{kind:?}: {words}");
        }
        let replaced = |changes| of_service(&shown(ServiceKind::Replace, Some(Both), changes));
        assert_eq!(replaced(&[("agent", Both)]), None, "the line of the agent says so");
        assert!(replaced(&[("agent", Drift)]).is_some_and(|words| words.starts_with("conflict: ")));
        for cause in [Drift, Both, Behind] {
            assert!(forcing_note(Some(cause)).ends_with(note(Some(cause))));
            assert!(note(Some(cause)).len() < 60);
        }
        assert_eq!((note(None), note(Some(Manifest))), ("", ""));
    }
}
