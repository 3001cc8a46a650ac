//! Whose doing a change is, in a few words that are always true. May import `plan`.
//!
//! What the branch itself wants needs no words.

use crate::plan::{Base, Cause, Change, ServiceKind, ServicePlan};

use super::text::{short_commit, visible};

/// The base, for a heading: `base origin/main (1a2b3c4d5e)`.
pub(super) fn base(base: &Base) -> String {
    format!("base {} ({})", visible(&base.reference), short_commit(&base.commit))
}

/// What stands beside a changed value; empty where the branch itself changes it.
pub(super) fn note(cause: Option<Cause>) -> &'static str {
    match cause {
        None | Some(Cause::Manifest) => "",
        Some(Cause::Drift) => "drift: live differs from the base",
        Some(Cause::Both) => "conflict: live, base and manifest all differ",
        Some(Cause::Behind) => "behind: the base's branch has the live value; merge it",
    }
}

/// The same, beside what forces a new service.
pub(super) fn forcing_note(cause: Option<Cause>) -> &'static str {
    match cause {
        None | Some(Cause::Manifest) => "forces a new service",
        Some(Cause::Drift) => "forces a new service · drift: live differs from the base",
        Some(Cause::Both) => "forces a new service · conflict: live, base and manifest all differ",
        Some(Cause::Behind) => {
            "forces a new service · behind: the base's branch has the live value; merge it"
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
