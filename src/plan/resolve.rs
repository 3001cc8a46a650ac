//! Resolves the names of agents and context graphs to ids.

use std::collections::BTreeMap;

use super::types::{Problem, ProblemKind};
use crate::model::{
    AgentId, Catalog, ContextGraphId, Desired, DesiredService, LiveService, Place, Reference, ServiceName,
    Snapshot, code_point, forbidden_in_name,
};

/// The ids of the agent and the context graph of a declared service.
#[derive(Clone, Debug)]
pub(super) struct ResolvedRefs {
    pub(super) agent: AgentId,
    pub(super) context_graph: ContextGraphId,
}

impl ResolvedRefs {
    /// Returns true if a live service has this agent and this context graph.
    pub(super) fn fit(&self, live: &LiveService) -> bool {
        live.agent == self.agent && live.context_graph == self.context_graph
    }
}

/// The resolved references of all declared services, and a problem for each reference that can't be resolved.
pub(super) struct Resolved {
    pub(super) references: BTreeMap<ServiceName, ResolvedRefs>,
    pub(super) problems: Vec<Problem>,
}

/// Resolves the references of all declared services. The result contains a problem for each reference that can't be
/// resolved.
pub(super) fn resolve_all(desired: &Desired, snapshot: &Snapshot) -> Resolved {
    let mut references = BTreeMap::new();
    let mut problems = Vec::new();
    for service in desired.services.values() {
        let agent = resolve_one(service, "agent", &service.agent, &service.agent_place, &snapshot.agents);
        let graph = resolve_one(
            service,
            "context graph",
            &service.context_graph,
            &service.context_graph_place,
            &snapshot.context_graphs,
        );
        match (agent, graph) {
            (Ok(agent), Ok(context_graph)) => {
                references.insert(service.name.clone(), ResolvedRefs { agent, context_graph });
            }
            (agent, graph) => problems.extend(agent.err().into_iter().chain(graph.err())),
        }
    }
    Resolved { references, problems }
}

/// Returns the id of the agent or context graph that another commit's manifest refers to. Returns `None` if the
/// manifest refers to it by a name that is unknown or ambiguous today.
pub(super) fn find_id<Id: Ord + Clone + for<'t> From<&'t str>>(
    reference: &Reference,
    catalog: &Catalog<Id>,
) -> Option<Id> {
    match reference {
        Reference::Id(text) => Some(Id::from(text)),
        Reference::Name(name) => match catalog.named(name).as_slice() {
            [(id, _)] => Some((*id).clone()),
            _ => None,
        },
    }
}

fn resolve_one<Id: Ord + Clone + AsRef<str> + for<'t> From<&'t str>>(
    service: &DesiredService,
    noun: &str,
    reference: &Reference,
    place: &Place,
    catalog: &Catalog<Id>,
) -> Result<Id, Problem> {
    let problem = |kind, message, help| Problem {
        kind,
        service: Some(service.name.clone()),
        place: Some(place.clone()),
        message,
        help,
    };
    match reference {
        Reference::Id(text) => {
            let id = Id::from(text);
            if catalog.complete && !catalog.entries.contains_key(&id) {
                return Err(problem(
                    ProblemKind::Missing,
                    format!("there is no {noun} with the id {text}"),
                    Vec::new(),
                ));
            }
            Ok(id)
        }
        Reference::Name(name) => match catalog.named(name).as_slice() {
            [(id, _)] => Ok((*id).clone()),
            [] => Err(problem(
                ProblemKind::Missing,
                format!("there is no {noun} named `{name}`"),
                nearest(name, catalog),
            )),
            several => {
                let ids: Vec<&str> = several.iter().map(|(id, _)| id.as_ref()).collect();
                let message = format!("{} {noun}s are named `{name}`: {}", ids.len(), ids.join(", "));
                let help = vec![format!("use the id instead of the name: `{{id: {}}}`", ids[0])];
                Err(problem(ProblemKind::Ambiguous, message, help))
            }
        },
    }
}

/// Returns help texts for an unknown name of an agent or context graph: the most similar name, or some of the names
/// that exist.
fn nearest<Id: Ord + AsRef<str>>(name: &str, catalog: &Catalog<Id>) -> Vec<String> {
    let near = catalog
        .entries
        .iter()
        .map(|(id, entry)| {
            let likeness =
                strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &entry.name.to_lowercase());
            (id, entry.name.as_str(), likeness)
        })
        .filter(|(.., likeness)| *likeness > 0.5)
        .max_by(|a, b| a.2.total_cmp(&b.2).then_with(|| b.1.cmp(a.1)));
    match near {
        Some((id, name, _)) => match forbidden_in_name(name) {
            // The similar name contains a character that manifests can't contain, although it may look like the name in
            // the manifest.
            Some(c) => vec![format!(
                "`{name}` contains {}, so a manifest can't use this name; use the id, `{{id: {}}}`",
                code_point(c),
                id.as_ref()
            )],
            None => vec![format!("did you mean `{name}`?")],
        },
        None if catalog.entries.is_empty() => {
            vec!["the API's list is empty for this user".to_owned()]
        }
        None => {
            let mut names: Vec<&str> = catalog.entries.values().map(|entry| entry.name.as_str()).collect();
            names.sort_unstable();
            names.truncate(5);
            vec![format!("existing names include {}", names.join(", "))]
        }
    }
}
