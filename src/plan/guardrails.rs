//! What a plan may not do unless it is told to. May import `model` only.
//!
//! Each refusal says the rule, the count and the flag.

use std::collections::BTreeSet;

use super::build::{Draft, DraftStep};
use super::identity::Embodiment;
use super::types::{Action, Finding, Options, Problem, ProblemKind, ServiceKind};
use crate::model::{Desired, MaxRemovals, Retire, ServiceName, TAG_PROTECTED, VersionSetName, did_you_mean};

/// Whether the live service may be touched at all: not if the platform itself or another project owns it.
pub(super) fn may_touch(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>) -> bool {
    let Some(live) = embodiment.live else { return true };
    if live.system {
        let message =
            format!("`{}` ({}) belongs to the platform itself and can't be managed", live.name, live.id);
        draft.problem(ProblemKind::Impossible, embodiment, message, &["choose another name"]);
        return false;
    }
    let Some(owner) = draft.policy.ownership.other_owner(&live.tags) else { return true };
    if draft.options.take_over.as_deref() == Some(owner) {
        return true;
    }
    let message = format!(
        "`{}` ({}) belongs to another project: its tag `{}` says `{owner}`",
        live.name, live.id, draft.policy.ownership.tag
    );
    let help = format!("use `--take-over {}` to make it this project's", quoted(owner));
    draft.problem(ProblemKind::Refused, embodiment, message, &[&help]);
    // Where the plan is only looked at, what differs is shown as for any other service.
    !draft.options.enforce_guardrails
}

/// Returns an owner as it is typed on a command line: in quotes where it is more than one word. One that could end
/// the quotes is not repeated: whoever can write tags must not write commands.
fn quoted(owner: &str) -> String {
    let is_word = owner.chars().all(|c| c.is_alphanumeric() || c == '_');
    match owner {
        word if is_word => word.to_owned(),
        words if words.contains(['\'', '\\']) || words.contains(char::is_control) => "VALUE".to_owned(),
        words => format!("'{words}'"),
    }
}

/// Where the plan is only looked at, refusals stop nothing: they become findings.
pub(super) fn release(draft: &mut Draft<'_>) {
    if draft.options.enforce_guardrails {
        return;
    }
    // A rule for the plan as a whole is told of at the first service that it is about.
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

/// Checks the whole plan against the project's rules.
pub(super) fn check(draft: &mut Draft<'_>, desired: &Desired) {
    if desired.services.is_empty() {
        let looked = !draft.options.enforce_guardrails;
        draft.problems.push(Problem {
            kind: if looked { ProblemKind::Impossible } else { ProblemKind::Refused },
            service: None,
            place: None,
            message: "no service is declared".to_owned(),
            help: vec!["an empty project is taken for a mistake, never for \"remove everything\"".to_owned()],
        });
    }
    if draft.options.touched.is_none() {
        draft.problems.extend(not_declared(draft.options, desired));
    }
    check_prune(draft);
    missing_dependencies(draft, desired);
    if !draft.options.allow_protected {
        protected(draft);
    }
    max_removals(draft);
}

/// What --only names and no manifest declares.
fn not_declared(options: &Options, desired: &Desired) -> Vec<Problem> {
    let problem = |only: &ServiceName| {
        let meant = did_you_mean(only.as_str(), desired.services.keys().map(ServiceName::as_str));
        Problem {
            kind: ProblemKind::Missing,
            service: None,
            place: None,
            message: format!("--only names `{only}`, which no manifest declares"),
            help: meant.map(|known| format!("did you mean `{known}`?")).into_iter().collect(),
        }
    };
    options.only.iter().filter(|only| !desired.services.contains_key(*only)).map(problem).collect()
}

/// With --only, a service can be rolled out before one that it depends on: its reader is told.
fn missing_dependencies(draft: &mut Draft<'_>, desired: &Desired) {
    let live: BTreeSet<&ServiceName> = draft.snapshot.services.iter().map(|service| &service.name).collect();
    for service in draft.options.only.iter().filter_map(|name| desired.services.get(name)) {
        for other in service.depends_on.iter().filter(|other| !draft.options.only.contains(*other)) {
            if !live.contains(other) {
                let message =
                    format!("it depends on `{other}`, which does not exist yet and which --only leaves out");
                draft.findings.push(Finding { service: service.name.clone(), message });
            }
        }
    }
}

/// Refuses to prune where the project wrote no ownership value: it would retire the services of every other
/// project that wrote none.
fn check_prune(draft: &mut Draft<'_>) {
    let ownership = &draft.policy.ownership;
    let retires = draft.services.iter().any(|service| service.kind == ServiceKind::Retire);
    // A plan that is only looked at is told of it where it retires something.
    if !draft.options.prune || ownership.is_written || !(draft.options.enforce_guardrails || retires) {
        return;
    }
    let (tag, value) = (&ownership.tag, &ownership.value);
    let message = format!(
        "`--prune` needs `ownership.value` in amigops.yaml: without it, this project and every other one that \
         writes none own the services tagged `{tag}: {value}`"
    );
    let help = vec![
        format!(
            "write a value that no other project of the organization has, such as `ownership: {{tag: {tag}, \
             value: acme_agents}}`"
        ),
        format!("then move this project's services to it once, with `amigops apply --take-over {value}`"),
    ];
    draft.problems.push(Problem { kind: ProblemKind::Refused, service: None, place: None, message, help });
}

fn protected(draft: &mut Draft<'_>) {
    let rule = |name: &ServiceName| draft.policy.guardrails.protected.contains(name);
    let mut problems = Vec::new();
    for service in &draft.services {
        let live = service.id.as_ref().and_then(|id| draft.live(id));
        let named = rule(&service.name) || live.is_some_and(|live| rule(&live.name));
        let tagged = live.is_some_and(|live| live.tags.contains_key(TAG_PROTECTED));
        let (what, why) = match service.kind {
            ServiceKind::Retire if tagged => {
                ("retired", "its tag `protected` says that it is never to be removed")
            }
            ServiceKind::Retire if named => ("retired", "`guardrails.protected` names it"),
            ServiceKind::Replace if named => ("replaced", "`guardrails.protected` names it"),
            ServiceKind::Update if named && deletes(draft, &service.name) => {
                ("deleted in its former shape", "`guardrails.protected` names it")
            }
            _ => continue,
        };
        problems.push(Problem {
            kind: ProblemKind::Refused,
            service: Some(service.name.clone()),
            place: None,
            message: format!("`{}` would be {what}, but {why}", service.name),
            help: vec!["use --allow-protected to do it all the same".to_owned()],
        });
    }
    draft.problems.extend(problems);
}

/// Whether the plan deletes an old service of this one.
fn deletes(draft: &Draft<'_>, name: &ServiceName) -> bool {
    let deletes = |step: &DraftStep| {
        step.service == *name && matches!(step.action, Action::Retire { how: Retire::Delete, .. })
    };
    draft.steps.iter().any(deletes)
}

/// What a plan removes, as the rule counts it.
struct Removals {
    /// Services that go out of use, are deleted, or are let go of.
    services: Vec<ServiceName>,
    /// Version sets, each with its service.
    version_sets: BTreeSet<(ServiceName, VersionSetName)>,
}

impl Removals {
    fn of(draft: &Draft<'_>) -> Self {
        let of_kind = |kind| draft.services.iter().filter(move |service| service.kind == kind);
        let mut services: Vec<ServiceName> =
            of_kind(ServiceKind::Retire).map(|service| service.name.clone()).collect();
        // The old service of a replacement goes with it, and so does one that a run before this one did not come
        // to; one that was put out of use long ago and is now deleted goes by itself.
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

    /// What goes, in words: counts, and the first few names.
    fn words(&self) -> String {
        let services = self.services.iter().map(|name| format!("`{name}`"));
        let sets = self.version_sets.iter().map(|(service, set)| format!("`{set}` of `{service}`"));
        let parts = [
            listed(self.services.len(), "service", "retired", services),
            listed(self.version_sets.len(), "version set", "deleted", sets),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// `2 services retired (A, B)`; none where there is nothing to list.
fn listed(count: usize, noun: &str, what: &str, names: impl Iterator<Item = String>) -> Option<String> {
    const MOST: usize = 5;
    let mut shown: Vec<String> = names.take(MOST).collect();
    if count > MOST {
        shown.push(format!("and {} more", count - MOST));
    }
    let plural = if count == 1 { "" } else { "s" };
    (count > 0).then(|| format!("{count} {noun}{plural} {what} ({})", shown.join(", ")))
}

/// The version sets that services lose, whether they are deleted or a new service is made without them.
pub(super) fn lost_version_sets(draft: &Draft<'_>) -> BTreeSet<(ServiceName, VersionSetName)> {
    let deleted = draft.steps.iter().filter_map(|step| match &step.action {
        Action::DeleteVersionSet { name, .. } => Some((step.service.clone(), name.clone())),
        _ => None,
    });
    deleted.chain(draft.dropped.iter().cloned()).collect()
}

fn max_removals(draft: &mut Draft<'_>) {
    let said = draft.options.max_removals.map(|rule| (rule, "--max-removals"));
    let ruled = draft.policy.guardrails.max_removals.map(|rule| (rule, "guardrails.max_removals"));
    let Some((rule, who)) = said.or(ruled) else { return };
    // What was retired before is not there to be removed: it must not widen the share.
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
            let share = format!("{rule} of {owned} active services that are ours");
            format!("{allowed} ({share}, rounded down)")
        }
    };
    let message = format!("the plan would remove {count}, and `{who}` allows {allows}: {}", removals.words());
    let flag = format!("if that is meant, use --max-removals {count} for this run");
    let lasting = "or raise `guardrails.max_removals` in amigops.yaml".to_owned();
    draft.problems.push(Problem {
        kind: ProblemKind::Refused,
        service: None,
        place: None,
        message,
        help: vec![format!("{flag}, {lasting}")],
    });
}
