//! The kinds of reports on a plan.

use crate::plan::ServiceKind;

/// The command for which a plan is rendered as a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// `amigops plan`: the report shows the changes that an apply would make.
    #[default]
    Plan,
    /// `amigops apply`: the report shows the changes that this run is about to make.
    Apply,
    /// `amigops unmanage`: the report shows the tags that this run is about to remove.
    Unmanage,
    /// `amigops drift`: the report describes the current state, and announces no changes.
    Drift,
}

impl Mode {
    /// Returns the name of the command, such as `plan`.
    pub fn command(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Unmanage => "unmanage",
            Self::Drift => "drift",
        }
    }

    /// Returns the mark of a service with this kind of change. In a drift report, a service that a plan would create is
    /// missing, and a service that a plan would retire is live but not declared.
    pub(super) fn mark(self, kind: ServiceKind) -> Mark {
        match (self.is_drift(), kind) {
            (false, ServiceKind::Create) | (true, ServiceKind::Retire) => Mark::Added,
            (false, ServiceKind::Retire) | (true, ServiceKind::Create) => Mark::Removed,
            (_, ServiceKind::Update) => Mark::Changed,
            (_, ServiceKind::Replace) => Mark::Replaced,
        }
    }

    /// Returns true if the report is about drift.
    pub fn is_drift(self) -> bool {
        self == Self::Drift
    }
}

/// The mark beside the name of a service. It has a symbol and a colour in each format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// `+`: a plan creates the service, or the service is live but not declared.
    Added,
    /// `~`: a plan changes the service, or the service differs from its manifest.
    Changed,
    /// `-/+`: only a new service can make the change, or revert the drift.
    Replaced,
    /// `-`: a plan retires the service, or the service is declared but missing.
    Removed,
}
