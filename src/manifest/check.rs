//! Checks that compare services with one another: unique names, dependencies, renames and protection.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::collector::{DiagnosticCollector, Problem, Span};
use super::decode::or_suggestion;
use super::diagnostic::Code;
use super::environment::Environment;
use super::project::DecodedProject;
use super::service::DecodedService;
use super::tree::shortened;
use super::variants::Variants;
use crate::model::{ServiceName, did_you_mean};

/// The maximum number of "did you mean" suggestions in one load. Each suggestion takes time, because it compares an
/// unknown name with all known names.
const MAX_SUGGESTIONS: usize = 100;

/// Compares all services with one another, for every environment, and reports problems. If documents are missing
/// (`incomplete`), unknown names are not reported, because a missing document may declare them.
pub(super) fn check_services(
    problems: &mut DiagnosticCollector,
    project: &DecodedProject,
    documents: &[Variants],
    incomplete: bool,
) {
    check_duplicates(problems, documents);
    let overlaid: BTreeSet<&str> =
        documents.iter().flat_map(|one| one.overlays.keys().map(String::as_str)).collect();
    let is_overlaid = |environment: &&Environment| overlaid.contains(environment.name.as_str());
    let environments = project.project.environments.values();
    // All environments without an overlay have the same services on both APIs, so checking one of them is enough.
    let plain = environments.clone().find(|one| !is_overlaid(one));
    let mut suggestions = MAX_SUGGESTIONS;
    for environment in environments.filter(is_overlaid).chain(plain) {
        let services = services(documents, environment);
        if !incomplete {
            check_dependencies_exist(problems, &services, &mut suggestions);
        }
        check_cycles(problems, &services);
        check_renames(problems, &services);
    }
    if !incomplete {
        check_protected_exist(problems, project, documents, &mut suggestions);
    }
}

fn services<'a>(
    documents: &'a [Variants],
    environment: &Environment,
) -> BTreeMap<&'a ServiceName, &'a DecodedService> {
    let mut services = BTreeMap::new();
    for decoded in documents.iter().filter_map(|one| one.get(environment)) {
        services.entry(&decoded.service.name).or_insert(decoded);
    }
    services
}

fn check_duplicates(problems: &mut DiagnosticCollector, documents: &[Variants]) {
    let mut first: HashMap<&ServiceName, Span> = HashMap::new();
    for decoded in documents.iter().filter_map(Variants::any) {
        let name = &decoded.service.name;
        if let Some(earlier) = first.get(name) {
            let message = format!("service `{}` is declared twice", shortened(name.as_str()));
            problems.push(
                Problem::error(Code::DuplicateService, decoded.name, message)
                    .label("declared again here")
                    .related(*earlier, "first declared here")
                    .help(
                        "a name identifies one service: rename one of the services, or merge the documents",
                    ),
            );
        } else {
            first.insert(name, decoded.name);
        }
    }
}

fn suggest<'a>(
    name: &str,
    among: impl Iterator<Item = &'a ServiceName>,
    budget: &mut usize,
) -> Option<&'a str> {
    *budget = budget.checked_sub(1)?;
    did_you_mean(name, among.map(ServiceName::as_str))
}

fn check_dependencies_exist(
    problems: &mut DiagnosticCollector,
    services: &BTreeMap<&ServiceName, &DecodedService>,
    suggestions: &mut usize,
) {
    for decoded in services.values() {
        for (name, span) in &decoded.depends_on {
            if services.contains_key(name) {
                continue;
            }
            let known = suggest(name.as_str(), services.keys().copied(), suggestions);
            let message = format!("no manifest declares the service `{}`", shortened(name.as_str()));
            problems.push(
                Problem::error(Code::UnknownDependency, *span, message)
                    .label(or_suggestion(known, "this service does not exist")),
            );
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Open,
    Done,
}

/// Reports every dependency that closes a cycle of services, with the path of the cycle. The search is not recursive,
/// because a chain of dependencies may be as long as the number of services.
fn check_cycles(problems: &mut DiagnosticCollector, services: &BTreeMap<&ServiceName, &DecodedService>) {
    let mut marks: HashMap<&ServiceName, Mark> = HashMap::new();
    for start in services.values() {
        if marks.contains_key(&start.service.name) {
            continue;
        }
        marks.insert(&start.service.name, Mark::Open);
        let mut path: Vec<(&DecodedService, usize)> = vec![(start, 0)];
        while let Some((decoded, next)) = path.last_mut() {
            let decoded: &DecodedService = decoded;
            let Some((name, span)) = decoded.depends_on.get(*next) else {
                marks.insert(&decoded.service.name, Mark::Done);
                path.pop();
                continue;
            };
            *next += 1;
            match (services.get(name), marks.get(name)) {
                (Some(_), Some(Mark::Open)) => problems.push(cycle(&path, name, *span)),
                (Some(further), None) => {
                    marks.insert(&further.service.name, Mark::Open);
                    path.push((further, 0));
                }
                _ => {}
            }
        }
    }
}

fn cycle(path: &[(&DecodedService, usize)], name: &ServiceName, span: Span) -> Problem {
    const MOST_SHOWN: usize = 12;
    let from = path.iter().position(|(one, _)| &one.service.name == name).unwrap_or(0);
    let around = path.get(from..).unwrap_or_default();
    if around.len() == 1 {
        let message = format!("`{}` depends on itself", shortened(name.as_str()));
        return Problem::error(Code::DependencyCycle, span, message).label("remove this dependency");
    }
    let mut names: Vec<_> =
        around.iter().take(MOST_SHOWN).map(|(one, _)| shortened(one.service.name.as_str())).collect();
    if around.len() > MOST_SHOWN {
        names.push(format!("… {} more", around.len() - MOST_SHOWN));
    }
    names.push(shortened(name.as_str()));
    let message = format!("services depend on each other in a cycle: {}", names.join(" → "));
    Problem::error(Code::DependencyCycle, span, message).label("this dependency closes the cycle")
}

fn check_renames(problems: &mut DiagnosticCollector, services: &BTreeMap<&ServiceName, &DecodedService>) {
    let mut claimed: BTreeMap<&ServiceName, (&ServiceName, Span)> = BTreeMap::new();
    for (name, decoded) in services {
        let (Some(old), Some(span)) = (&decoded.service.lifecycle.renamed_from, decoded.renamed_from) else {
            continue;
        };
        if old == *name {
            let message = format!("`{}` has its own name in `renamed_from`", shortened(old.as_str()));
            problems.push(
                Problem::error(Code::RenameConflict, span, message)
                    .label("expected the service's previous name"),
            );
        } else if let Some((other, earlier)) = claimed.insert(old, (name, span)) {
            let message = format!("two services have `renamed_from: {}`", shortened(old.as_str()));
            problems.push(
                Problem::error(Code::RenameConflict, span, message)
                    .label("only one service can have had this name")
                    .related(earlier, format!("`{}` has the same `renamed_from`", shortened(other.as_str()))),
            );
        }
    }
}

fn check_protected_exist(
    problems: &mut DiagnosticCollector,
    project: &DecodedProject,
    documents: &[Variants],
    suggestions: &mut usize,
) {
    let declared: BTreeSet<&ServiceName> =
        documents.iter().filter_map(Variants::any).map(|one| &one.service.name).collect();
    for (name, span) in project.protected.iter().filter(|(name, _)| !declared.contains(name)) {
        let known = suggest(name.as_str(), declared.iter().copied(), suggestions);
        let message = format!("`{}` is protected, but no manifest declares it", shortened(name.as_str()));
        problems.push(
            Problem::warning(Code::UnknownProtected, *span, message)
                .label(or_suggestion(known, "a live service with this name is still protected")),
        );
    }
}
