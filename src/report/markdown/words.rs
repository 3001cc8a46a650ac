//! The words in which the report of drift differs from a plan's. May import `plan`.
//!
//! A plan tells what an apply does; drift tells what is the case, and nothing in it may sound as if anything
//! were about to be done.

use crate::plan::ServiceKind;
use crate::report::drift;

/// What is said in other words.
pub(super) struct Words {
    pub(super) is_drift: bool,
    /// The command that shows everything.
    pub(super) command: &'static str,
    /// Before what must be seen.
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
    is_drift: false,
    command: "amigops plan",
    alarm: "",
    removals: "Removals",
    replacements: "Replacements",
    replaced_means: "A new service with a **new id** takes over: it is made inactive, completed, and gets the name in one \
                     step, so that the old or the new one is active at every moment. Applications that hold the old id \
                     need the new one; after the apply, `amigops ids` prints it.",
    changes: "What changes",
    created: "Created",
    no_plan: "no plan can be made",
    orphans: "Retire with `--prune`.",
};

static DRIFT: Words = Words {
    is_drift: true,
    command: "amigops drift",
    alarm: "An apply that changes this back comes with: ",
    removals: "An apply would remove",
    replacements: "An apply would replace",
    replaced_means: "To change these back takes a new service each, with a **new id**.",
    changes: "What differs",
    created: "Missing",
    no_plan: "it could not be compared",
    orphans: "They count as drift with `--prune`.",
};

impl Words {
    /// The words of a command's report.
    pub(super) fn of(command: &str) -> &'static Self {
        if command == drift::COMMAND { &DRIFT } else { &PLAN }
    }

    /// What happens to a service, or what is the case with it.
    pub(super) fn kind(&self, kind: ServiceKind) -> &'static str {
        match (self.is_drift, kind) {
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
