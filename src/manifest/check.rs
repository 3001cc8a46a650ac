//! Rules between services: unique names, dependencies, renames, protection. Imports `model`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::decode::or_suggestion;
use super::diagnostic::Code;
use super::environment::Environment;
use super::load::Variants;
use super::project;
use super::service::Decoded;
use super::sink::{Problem, Sink, Span};
use super::tree::shortened;
use crate::model::{ServiceName, did_you_mean};

/// After this many suggestions no more are looked for: each costs a comparison with every name.
const MAX_SUGGESTIONS: usize = 100;

/// Checks all services with one another, for every environment. Where documents are missing
/// (`incomplete`) nothing is said about names that aren't there.
pub(super) fn across(sink: &mut Sink, project: &project::Decoded, documents: &[Variants], incomplete: bool) {
    duplicates(sink, documents);
    let overlaid: BTreeSet<&str> =
        documents.iter().flat_map(|one| one.overlays.keys().map(String::as_str)).collect();
    let is_overlaid = |environment: &&Environment| overlaid.contains(environment.name.as_str());
    let environments = project.project.environments.values();
    // Environments without any overlay are all alike, whatever their API: one stands for them.
    let plain = environments.clone().find(|one| !is_overlaid(one));
    let mut suggestions = MAX_SUGGESTIONS;
    for environment in environments.filter(is_overlaid).chain(plain) {
        let services = services(documents, environment);
        if !incomplete {
            unknown_dependencies(sink, &services, &mut suggestions);
        }
        cycles(sink, &services);
        renames(sink, &services);
    }
    if !incomplete {
        unknown_protected(sink, project, documents, &mut suggestions);
    }
}

fn services<'a>(
    documents: &'a [Variants],
    environment: &Environment,
) -> BTreeMap<&'a ServiceName, &'a Decoded> {
    let mut services = BTreeMap::new();
    for decoded in documents.iter().filter_map(|one| one.of(environment)) {
        services.entry(&decoded.service.name).or_insert(decoded);
    }
    services
}

fn duplicates(sink: &mut Sink, documents: &[Variants]) {
    let mut first: HashMap<&ServiceName, Span> = HashMap::new();
    for decoded in documents.iter().filter_map(Variants::any) {
        let name = &decoded.service.name;
        if let Some(earlier) = first.get(name) {
            let message = format!("service `{}` is declared twice", shortened(name.as_str()));
            sink.push(
                Problem::error(Code::DuplicateService, decoded.name, message)
                    .label("declared again here")
                    .related(*earlier, "first declared here")
                    .help("a name is a service's identity: rename one, or merge the documents"),
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

fn unknown_dependencies(
    sink: &mut Sink,
    services: &BTreeMap<&ServiceName, &Decoded>,
    suggestions: &mut usize,
) {
    for decoded in services.values() {
        for (name, span) in &decoded.depends_on {
            if services.contains_key(name) {
                continue;
            }
            let known = suggest(name.as_str(), services.keys().copied(), suggestions);
            let message = format!("no manifest declares a service `{}`", shortened(name.as_str()));
            sink.push(
                Problem::error(Code::UnknownDependency, *span, message)
                    .label(or_suggestion(known, "nothing to wait for")),
            );
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Open,
    Done,
}

/// Reports every dependency that closes a circle, with the way around. Without recursion: a chain may
/// be as long as there are services.
fn cycles(sink: &mut Sink, services: &BTreeMap<&ServiceName, &Decoded>) {
    let mut marks: HashMap<&ServiceName, Mark> = HashMap::new();
    for start in services.values() {
        if marks.contains_key(&start.service.name) {
            continue;
        }
        marks.insert(&start.service.name, Mark::Open);
        let mut path: Vec<(&Decoded, usize)> = vec![(start, 0)];
        while let Some((decoded, next)) = path.last_mut() {
            let decoded: &Decoded = decoded;
            let Some((name, span)) = decoded.depends_on.get(*next) else {
                marks.insert(&decoded.service.name, Mark::Done);
                path.pop();
                continue;
            };
            *next += 1;
            match (services.get(name), marks.get(name)) {
                (Some(_), Some(Mark::Open)) => sink.push(cycle(&path, name, *span)),
                (Some(further), None) => {
                    marks.insert(&further.service.name, Mark::Open);
                    path.push((further, 0));
                }
                _ => {}
            }
        }
    }
}

fn cycle(path: &[(&Decoded, usize)], name: &ServiceName, span: Span) -> Problem {
    const MOST_SHOWN: usize = 12;
    let from = path.iter().position(|(one, _)| &one.service.name == name).unwrap_or(0);
    let around = path.get(from..).unwrap_or_default();
    if around.len() == 1 {
        let message = format!("`{}` depends on itself", shortened(name.as_str()));
        return Problem::error(Code::DependencyCycle, span, message).label("remove this");
    }
    let mut names: Vec<_> =
        around.iter().take(MOST_SHOWN).map(|(one, _)| shortened(one.service.name.as_str())).collect();
    if around.len() > MOST_SHOWN {
        names.push(format!("… {} more", around.len() - MOST_SHOWN));
    }
    names.push(shortened(name.as_str()));
    let message = format!("services wait for one another: {}", names.join(" → "));
    Problem::error(Code::DependencyCycle, span, message).label("this closes the circle")
}

fn renames(sink: &mut Sink, services: &BTreeMap<&ServiceName, &Decoded>) {
    let mut claimed: BTreeMap<&ServiceName, (&ServiceName, Span)> = BTreeMap::new();
    for (name, decoded) in services {
        let (Some(old), Some(span)) = (&decoded.service.lifecycle.renamed_from, decoded.renamed_from) else {
            continue;
        };
        if old == *name {
            let message = format!("`{}` is renamed from itself", shortened(old.as_str()));
            sink.push(
                Problem::error(Code::RenameConflict, span, message).label("the name before is expected"),
            );
        } else if let Some((other, earlier)) = claimed.insert(old, (name, span)) {
            let message = format!("two services are renamed from `{}`", shortened(old.as_str()));
            sink.push(
                Problem::error(Code::RenameConflict, span, message)
                    .label("only one can be what it was before")
                    .related(earlier, format!("`{}` says the same", shortened(other.as_str()))),
            );
        }
    }
}

fn unknown_protected(
    sink: &mut Sink,
    project: &project::Decoded,
    documents: &[Variants],
    suggestions: &mut usize,
) {
    let declared: BTreeSet<&ServiceName> =
        documents.iter().filter_map(Variants::any).map(|one| &one.service.name).collect();
    for (name, span) in project.protected.iter().filter(|(name, _)| !declared.contains(name)) {
        let known = suggest(name.as_str(), declared.iter().copied(), suggestions);
        let message = format!("`{}` is protected, but no manifest declares it", shortened(name.as_str()));
        sink.push(
            Problem::warning(Code::UnknownProtected, *span, message)
                .label(or_suggestion(known, "a live service of this name is protected all the same")),
        );
    }
}
