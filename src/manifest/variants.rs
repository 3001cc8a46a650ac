//! Decodes a manifest's document once for each API and once for each overlay.

use std::collections::{BTreeMap, BTreeSet};

use super::collector::{DiagnosticCollector, Problem};
use super::decode::{self, or_suggestion};
use super::diagnostic::Code;
use super::environment::Environment;
use super::merge;
use super::project::DecodedProject;
use super::rules::Rules;
use super::service::{self, DecodedService};
use super::tree::{Key, Map, Node, Value, shortened};
use crate::model::{Api, did_you_mean};

/// A manifest's document, decoded once for each API and once for each overlay.
#[derive(Default)]
pub(super) struct Variants {
    /// The decoded document without an overlay, by API. Only APIs of environments that have no overlay in this document
    /// are included.
    base: BTreeMap<Api, DecodedService>,
    /// The decoded document merged with an overlay, by the name of the overlay's environment.
    pub(super) overlays: BTreeMap<String, DecodedService>,
}

impl Variants {
    /// Returns the decoded document for an environment.
    pub(super) fn get(&self, environment: &Environment) -> Option<&DecodedService> {
        self.overlays.get(&environment.name).or_else(|| self.base.get(&environment.target.api()))
    }

    /// Returns the decoded document for an arbitrary environment. Callers must use only members that no overlay can
    /// change, such as the service's name.
    pub(super) fn any(&self) -> Option<&DecodedService> {
        self.base.values().next().or_else(|| self.overlays.values().next())
    }

    /// Removes and returns the decoded document for an environment.
    pub(super) fn take(mut self, environment: &Environment) -> Option<DecodedService> {
        self.overlays.remove(&environment.name).or_else(|| self.base.remove(&environment.target.api()))
    }
}

/// Decodes a document once for each API and overlay.
pub(super) fn decode(
    problems: &mut DiagnosticCollector,
    project: &DecodedProject,
    document: Node,
) -> Variants {
    let Some((base, overlays)) = split(problems, project, document) else { return Variants::default() };
    let environments = &project.project.environments;
    let policy = &project.project.policy;
    let mut variants = Variants::default();
    let plain = environments.values().filter(|one| !overlays.contains_key(&one.name));
    let mut apis: BTreeSet<Api> = plain.map(|one| one.target.api()).collect();
    if environments.is_empty() {
        // No environment could be read, which is already reported. Report the document's own problems, too.
        apis.insert(Api::Classic);
    }
    for api in apis {
        if let Some(decoded) = service::decode(problems, &base, &Rules { policy, api }) {
            variants.base.insert(api, decoded);
        }
    }
    for (name, overlay) in &overlays {
        let Some(environment) = environments.get(name) else { continue };
        let rules = Rules { policy, api: environment.target.api() };
        let mut merged = merge::overlay(base.clone(), overlay);
        merged.span = base.span;
        if let Some(decoded) = service::decode(problems, &merged, &rules) {
            variants.overlays.insert(name.clone(), decoded);
        }
    }
    variants
}

/// Merges a document with the project's defaults. Returns the result and the document's overlays by environment, or
/// `None` if the document is not a mapping.
fn split(
    problems: &mut DiagnosticCollector,
    project: &DecodedProject,
    document: Node,
) -> Option<(Node, BTreeMap<String, Node>)> {
    let Node { span, value: Value::Map(mut map), .. } = document else {
        decode::mapping(problems, &document, "a service");
        return None;
    };
    let span = map.entries.first().map_or(span, |(key, _)| key.span);
    let overlays = match map.remove("environments") {
        Some((key, node)) => overlays(problems, project, &key, &node),
        None => BTreeMap::new(),
    };
    let mut base = Node::new(span, Value::Map(map));
    if let Some(defaults) = &project.defaults {
        base = merge::document(defaults, &base);
    }
    Some((base, overlays))
}

fn overlays(
    problems: &mut DiagnosticCollector,
    project: &DecodedProject,
    key: &Key,
    node: &Node,
) -> BTreeMap<String, Node> {
    let mut found = BTreeMap::new();
    if node.value == Value::Null {
        problems.push(Problem::error(Code::NoValue, key.span, "`environments` has no value"));
        return found;
    }
    let Some(map) = decode::mapping(problems, node, "overlays by environment") else { return found };
    for (key, value) in &map.entries {
        if !project.places.contains_key(&key.name) {
            let message = format!("amigops.yaml has no environment `{}`", shortened(&key.name));
            let known = did_you_mean(&key.name, project.places.keys().map(String::as_str));
            problems.push(
                Problem::error(Code::UnknownEnvironment, key.span, message)
                    .label(or_suggestion(known, "no environment would use this overlay")),
            );
        } else if let Some(overlay) = decode::mapping(problems, value, "an overlay") {
            let overlay = reject_fixed_members(problems, overlay.clone());
            found.insert(key.name.clone(), Node::new(value.span, Value::Map(overlay)));
        }
    }
    found
}

/// Removes the members of an overlay that overlays can't change, and reports them.
fn reject_fixed_members(problems: &mut DiagnosticCollector, mut overlay: Map) -> Map {
    for name in ["service", "environments"] {
        if let Some((key, _)) = overlay.remove(name) {
            let message = format!("an overlay can't change `{name}`");
            let label = match name {
                "service" => "the name identifies the service in every environment",
                _ => "overlays can't be nested",
            };
            problems.push(Problem::error(Code::BadOverlay, key.span, message).label(label));
        }
    }
    for name in ["agent", "context_graph"] {
        if overlay.get(name).is_some_and(|node| node.value == Value::Null)
            && let Some((key, _)) = overlay.remove(name)
        {
            let message = format!("an overlay can't remove `{name}`");
            let label = "every service needs an agent and a context graph: set another value here";
            problems.push(Problem::error(Code::BadOverlay, key.span, message).label(label));
        }
    }
    overlay
}
