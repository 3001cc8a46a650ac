//! Checks the guardrails: rules that refuse a plan. Most of them have a flag that allows the plan anyway.
//!
//! The message of each refusal names the rule. If the rule has a limit, the message also contains the counts. If a flag
//! allows the plan anyway, the advice names the flag.

use std::collections::BTreeSet;

use super::draft::{Draft, DraftStep};
use super::matcher::ServiceMatch;
use super::origin_index::is_made_for;
use super::types::{Action, Finding, Options, Problem, ProblemKind, ServiceKind};
use crate::model::{
    Desired, LiveService, MaxRemovals, Retire, ServiceName, TAG_PROTECTED, VersionSetName, did_you_mean,
};

/// Checks that the live service of a manifest may be changed. Reports a service that belongs to the platform itself or
/// to another project. Returns false if no steps may be planned for the service.
pub(super) fn check_may_change(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>) -> bool {
    let Some(live) = matched.live else { return true };
    if live.system {
        let message =
            format!("`{}` ({}) belongs to the platform itself and can't be managed", live.name, live.id);
        draft.problem(ProblemKind::Impossible, matched, message, &["choose another name"]);
        return false;
    }
    let Some(owner) = draft.policy.ownership.other_owner(&live.tags) else { return true };
    if draft.options.take_over.as_deref() == Some(owner) {
        return true;
    }
    let message = format!(
        "`{}` ({}) belongs to another project: its tag `{}` has the value `{owner}`",
        live.name, live.id, draft.policy.ownership.tag
    );
    let help = format!("use `--take-over {}` to make this service belong to this project", quoted(owner));
    draft.problem(ProblemKind::Refused, matched, message, &[&help]);
    // A drift report does not enforce guardrails: it shows the differences of another project's service, too.
    !draft.options.enforce_guardrails
}

/// Returns an ownership value as a user must type it on a command line: in quotes if it is more than one word. Returns
/// `VALUE` instead of a value that could end the quotes. Otherwise another user who can write tags could inject
/// commands.
pub(super) fn quoted(owner: &str) -> String {
    let is_word = owner.chars().all(|c| c.is_alphanumeric() || c == '_');
    match owner {
        word if is_word => word.to_owned(),
        words if words.contains(['\'', '\\']) || words.contains(char::is_control) => "VALUE".to_owned(),
        words => format!("'{words}'"),
    }
}

/// Turns refusals into findings if the guardrails are not enforced. Problems of other kinds stay problems.
pub(super) fn refusals_to_findings(draft: &mut Draft<'_>) {
    if draft.options.enforce_guardrails {
        return;
    }
    // A refusal that concerns the whole plan is reported for the first service that it affects.
    let retired = draft.services.iter().filter(|service| service.kind == ServiceKind::Retire);
    let deletes = |step: &&DraftStep| matches!(step.action, Action::DeleteVersionSet { .. });
    let losing = draft.steps.iter().filter(deletes).map(|step| &step.service);
    let changing = draft.services.iter().map(|service| &service.name);
    let first = retired.map(|service| &service.name).min().or(losing.min()).or(changing.min()).cloned();
    for problem in std::mem::take(&mut draft.problems) {
        let service = problem.service.clone().or_else(|| first.clone());
        match service.filter(|_| problem.kind == ProblemKind::Refused) {
            Some(service) => {
                draft.findings.push(Finding::refusal(service, &problem.message));
            }
            None => draft.problems.push(problem),
        }
    }
}

/// Checks the whole plan against the project's guardrails.
pub(super) fn check(draft: &mut Draft<'_>, desired: &Desired) {
    if desired.services.is_empty() {
        let is_report = !draft.options.enforce_guardrails;
        draft.problems.push(Problem {
            kind: if is_report { ProblemKind::Impossible } else { ProblemKind::Refused },
            service: None,
            place: None,
            message: "no service is declared".to_owned(),
            help: vec!["an empty project is an error: it never means \"remove everything\"".to_owned()],
        });
    }
    if draft.options.touched.is_none() {
        draft.problems.extend(check_names(draft.options, desired));
    }
    check_prune(draft);
    check_dependencies(draft, desired);
    if !draft.options.allow_protected {
        check_protected(draft);
    }
    check_max_removals(draft);
}

/// Returns a problem for each name in `--only` and `--create` that no manifest declares.
fn check_names(options: &Options, desired: &Desired) -> Vec<Problem> {
    let problem = |(flag, name): (&str, &ServiceName)| {
        let meant = did_you_mean(name.as_str(), desired.services.keys().map(ServiceName::as_str));
        Problem {
            kind: ProblemKind::Missing,
            service: None,
            place: None,
            message: format!("{flag} names `{name}`, which no manifest declares"),
            help: meant.map(|known| format!("did you mean `{known}`?")).into_iter().collect(),
        }
    };
    let only = options.only.iter().map(|name| ("--only", name));
    let create = options.create.iter().map(|name| ("--create", name));
    only.chain(create).filter(|(_, name)| !desired.services.contains_key(*name)).map(problem).collect()
}

/// Adds a note for each service in `--only` that depends on a service that does not exist yet and is not in `--only`.
fn check_dependencies(draft: &mut Draft<'_>, desired: &Desired) {
    let live: BTreeSet<&ServiceName> = draft.snapshot.services.iter().map(|service| &service.name).collect();
    for service in draft.options.only.iter().filter_map(|name| desired.services.get(name)) {
        for other in service.depends_on.iter().filter(|other| !draft.options.only.contains(*other)) {
            if !live.contains(other) {
                let message = format!(
                    "this service depends on `{other}`, which does not exist yet and which --only excludes"
                );
                draft.findings.push(Finding::note(service.name.clone(), message));
            }
        }
    }
}

/// Refuses `--prune` if `amigops.yaml` sets no ownership value. Otherwise `--prune` would also retire the services of
/// every other project that sets none.
fn check_prune(draft: &mut Draft<'_>) {
    let ownership = &draft.policy.ownership;
    let retires = draft.services.iter().any(|service| service.kind == ServiceKind::Retire);
    // A drift report mentions this only if the plan retires something.
    if !draft.options.prune || ownership.is_written || !(draft.options.enforce_guardrails || retires) {
        return;
    }
    let (tag, value) = (&ownership.tag, &ownership.value);
    let message = format!(
        "`--prune` needs `ownership.value` in amigops.yaml: without it, every project that does not set \
         `ownership.value` owns the services tagged `{tag}: {value}`"
    );
    let help = vec![
        format!(
            "write a value that no other project of the organization has, such as `ownership: {{tag: {tag}, \
             value: acme_agents}}`"
        ),
        format!(
            "then move this project's services to the new value once, with `amigops apply --take-over {value}`"
        ),
    ];
    draft.problems.push(Problem { kind: ProblemKind::Refused, service: None, place: None, message, help });
}

/// Refuses a plan that retires or replaces a protected service, or deletes one of its former services.
fn check_protected(draft: &mut Draft<'_>) {
    let is_protected = |name: &ServiceName| draft.policy.guardrails.protected.contains(name);
    let mut problems = Vec::new();
    for service in &draft.services {
        let live = service.id.as_ref().and_then(|id| draft.live(id));
        let is_made_for_protected = |live: &LiveService| {
            let mut protected = draft.policy.guardrails.protected.iter();
            draft.policy.ownership.origin && protected.any(|name| is_made_for(&live.tags, name))
        };
        // A rename by another client does not end the protection.
        let is_named = is_protected(&service.name)
            || live.is_some_and(|live| is_protected(&live.name) || is_made_for_protected(live));
        let is_tagged = live.is_some_and(|live| live.tags.contains_key(TAG_PROTECTED));
        let (what, why) = match service.kind {
            ServiceKind::Retire if is_tagged => {
                ("retired", "the tag `protected` of this service forbids that")
            }
            ServiceKind::Retire if is_named => ("retired", "`guardrails.protected` lists it"),
            ServiceKind::Replace if is_named => ("replaced", "`guardrails.protected` lists it"),
            ServiceKind::Update if is_named && deletes_former(draft, &service.name) => {
                ("deleted as a former service", "`guardrails.protected` lists it")
            }
            _ => continue,
        };
        problems.push(Problem {
            kind: ProblemKind::Refused,
            service: Some(service.name.clone()),
            place: None,
            message: format!("`{}` would be {what}, but {why}", service.name),
            help: vec!["use --allow-protected to allow this".to_owned()],
        });
    }
    draft.problems.extend(problems);
}

/// Returns true if the plan deletes a former service of the service with this name.
fn deletes_former(draft: &Draft<'_>, name: &ServiceName) -> bool {
    let deletes = |step: &DraftStep| {
        step.service == *name && matches!(step.action, Action::Retire { how: Retire::Delete, .. })
    };
    draft.steps.iter().any(deletes)
}

/// The services and version sets that a plan removes, as `max_removals` counts them.
struct Removals {
    /// The services that are deactivated, deleted, or no longer managed.
    services: Vec<ServiceName>,
    /// The version sets that are deleted, each with the name of its service.
    version_sets: BTreeSet<(ServiceName, VersionSetName)>,
}

impl Removals {
    fn of(draft: &Draft<'_>) -> Self {
        let of_kind = |kind| draft.services.iter().filter(move |service| service.kind == kind);
        let mut services: Vec<ServiceName> =
            of_kind(ServiceKind::Retire).map(|service| service.name.clone()).collect();
        // The old service of a replacement doesn't count, even if an earlier run replaced it. A former service that was
        // deactivated earlier and is deleted now does count.
        let replaced: BTreeSet<_> =
            of_kind(ServiceKind::Replace).filter_map(|service| service.id.as_ref()).collect();
        let former = draft.steps.iter().filter_map(|step| match &step.action {
            Action::Retire { id, how: Retire::Delete, .. } if !replaced.contains(id) => {
                draft.live(id).filter(|live| !live.active)
            }
            _ => None,
        });
        services.extend(former.map(|live| live.name.clone()));
        services.sort();
        Self { services, version_sets: lost_version_sets(draft) }
    }

    fn count(&self) -> usize {
        self.services.len() + self.version_sets.len()
    }

    /// Returns text that contains the numbers of removals and the first few names.
    fn to_text(&self) -> String {
        let services = self.services.iter().map(|name| format!("`{name}`"));
        let sets = self.version_sets.iter().map(|(service, set)| format!("`{set}` of `{service}`"));
        let parts = [
            list_names(self.services.len(), "service", "retired", services),
            list_names(self.version_sets.len(), "version set", "deleted", sets),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Returns a list such as `2 services retired (A, B)`, or `None` if the count is 0. The list contains at most five
/// names.
fn list_names(count: usize, noun: &str, what: &str, names: impl Iterator<Item = String>) -> Option<String> {
    const MOST: usize = 5;
    let mut shown: Vec<String> = names.take(MOST).collect();
    if count > MOST {
        shown.push(format!("and {} more", count - MOST));
    }
    let plural = if count == 1 { "" } else { "s" };
    (count > 0).then(|| format!("{count} {noun}{plural} {what} ({})", shown.join(", ")))
}

/// Returns the version sets that services lose, each paired with the name of its service. A version set is lost if it
/// is deleted, or if a new service is created without it.
pub(super) fn lost_version_sets(draft: &Draft<'_>) -> BTreeSet<(ServiceName, VersionSetName)> {
    let deleted = draft.steps.iter().filter_map(|step| match &step.action {
        Action::DeleteVersionSet { name, .. } => Some((step.service.clone(), name.clone())),
        _ => None,
    });
    deleted.chain(draft.dropped_version_sets.iter().cloned()).collect()
}

/// Refuses a plan with more removals than `max_removals` allows.
fn check_max_removals(draft: &mut Draft<'_>) {
    let flag = draft.options.max_removals.map(|rule| (rule, "--max-removals"));
    let guardrail = draft.policy.guardrails.max_removals.map(|rule| (rule, "guardrails.max_removals"));
    let Some((rule, rule_name)) = flag.or(guardrail) else { return };
    // A rule in percent refers to the active services of the project, because inactive services are already out of use.
    let in_use = draft.snapshot.services.iter().filter(|service| service.active);
    let owned = in_use.filter(|service| draft.policy.ownership.owns(&service.tags)).count();
    let (removals, allowed) = (Removals::of(draft), rule.of(owned));
    let count = removals.count();
    if count <= allowed {
        return;
    }
    let allows = match rule {
        MaxRemovals::Count(count) => count.to_string(),
        MaxRemovals::Percent(_) => {
            let share = format!("{rule} of {owned} active services of this project");
            format!("{allowed} ({share}, rounded down)")
        }
    };
    let message = format!(
        "the number of removals in the plan is {count}, but `{rule_name}` allows {allows}: {}",
        removals.to_text()
    );
    let help = format!(
        "to allow it, use --max-removals {count} for this run, or raise `guardrails.max_removals` in amigops.yaml"
    );
    draft.problems.push(Problem {
        kind: ProblemKind::Refused,
        service: None,
        place: None,
        message,
        help: vec![help],
    });
}
