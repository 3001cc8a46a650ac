//! The strings that differ between a plan and a drift report.
//!
//! A plan describes changes that an apply will make. A drift report describes the current state, and must not sound as
//! if anything will be changed.

use crate::plan::ServiceKind;
use crate::report::Mode;

/// The strings of one kind of report.
pub(super) struct Words {
    pub(super) mode: Mode,
    /// The command that shows the complete report.
    pub(super) command: &'static str,
    /// The beginning of the warning that counts refusals, removals, replacements and conflicts.
    pub(super) alarm: &'static str,
    pub(super) removals: &'static str,
    pub(super) replacements: &'static str,
    pub(super) replaced_means: &'static str,
    pub(super) changes: &'static str,
    pub(super) created: &'static str,
    pub(super) no_plan: &'static str,
    pub(super) orphans: &'static str,
}

static PLAN: Words = Words {
    mode: Mode::Plan,
    command: "amigops plan",
    alarm: "",
    removals: "Removals",
    replacements: "Replacements",
    replaced_means: "A new service with a **new id** takes over. It is created inactive, completed, and then activated in one \
                     step, so that the old or the new service is active at every moment. Applications that use the old id \
                     need the new id; `amigops ids` prints it after the apply.",
    changes: "Changes",
    created: "Created",
    no_plan: "no plan could be made",
    orphans: "Retire with `--prune`, or with `prune: true` in `amigops.yaml`.",
};

static DRIFT: Words = Words {
    mode: Mode::Drift,
    command: "amigops drift",
    alarm: "An apply would cause: ",
    removals: "An apply would remove",
    replacements: "An apply would replace",
    replaced_means: "Each of these needs a new service with a **new id**.",
    changes: "Differences",
    created: "Missing",
    no_plan: "could not be compared",
    orphans: "They count as drift with `--prune`.",
};

impl Words {
    /// Returns the strings for reports of this kind.
    pub(super) fn of(mode: Mode) -> &'static Self {
        if mode.is_drift() { &DRIFT } else { &PLAN }
    }

    /// Returns true if the report is about drift.
    pub(super) fn is_drift(&self) -> bool {
        self.mode.is_drift()
    }

    /// Returns the word for a service's kind of change or, in a drift report, for its kind of drift.
    pub(super) fn kind(&self, kind: ServiceKind) -> &'static str {
        match (self.is_drift(), kind) {
            (false, ServiceKind::Create) => "create",
            (false, ServiceKind::Update) => "change",
            (false, ServiceKind::Replace) => "replace",
            (false, ServiceKind::Retire) => "retire",
            (true, ServiceKind::Create) => "missing",
            (true, ServiceKind::Update) => "changed",
            (true, ServiceKind::Replace) => "to be replaced",
            (true, ServiceKind::Retire) => "orphan",
        }
    }
}
