//! The kinds of reports on a plan.

/// The command for which a plan is rendered as a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `amigops plan`: the report shows the changes that an apply would make.
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

    /// Returns true if the report is about drift.
    pub fn is_drift(self) -> bool {
        self == Self::Drift
    }
}
