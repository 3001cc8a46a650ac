//! The kinds of reports on a plan.

/// The command whose report is rendered from a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The report shows what an apply would do.
    Plan,
    /// The report shows the changes that the run is about to make.
    Apply,
    /// The report describes the current state, and announces no changes.
    Drift,
}

impl Mode {
    /// Returns the command's name.
    pub fn command(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Drift => "drift",
        }
    }

    /// Returns true for a drift report.
    pub fn is_drift(self) -> bool {
        self == Self::Drift
    }
}
