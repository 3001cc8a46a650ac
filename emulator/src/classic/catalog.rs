//! The endpoints that return agents, context graphs and their versions.

use serde_json::{Value, json};

use super::validate;
use super::wire::user;
use super::{Call, filters, wire};
use crate::api::exchange::{Answer, iso};
use crate::api::problems::{At, RequestProblems};
use crate::api::query::PageBounds;
use crate::api::refusal::Refusal;
use crate::state::Table;
use crate::state::{CatalogItem, Permission, World};

const AGENT_PAGE: PageBounds = PageBounds { default: 10, least: 1, most: 20 };
const GRAPH_PAGE: PageBounds = PageBounds { default: 50, least: 0, most: 50 };
const VERSION_PAGE: PageBounds = PageBounds { default: 10, least: 1, most: 10 };

/// Answers `GET /organization/agent`: lists agents.
pub(super) fn agents(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let permitted = call.key.may(Permission::GetAgent);
    items(call, call.home(world)?.agents(), "agents", AGENT_PAGE, permitted)
}

/// Answers `GET /organization/service_hierarchical_state_machine`: lists context graphs.
pub(super) fn context_graphs(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let permitted = call.key.may(Permission::GetContextGraph);
    let graphs = call.home(world)?.context_graphs();
    items(call, graphs, "service_hierarchical_state_machines", GRAPH_PAGE, permitted)
}

fn items(
    call: &Call<'_>,
    table: &Table<CatalogItem>,
    name: &str,
    bounds: PageBounds,
    permitted: bool,
) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    let ids = filters::ids(&call.query, &mut problems, "id");
    let deprecated = call.query.boolean(&mut problems, "deprecated");
    let page = call.query.page(&mut problems, bounds);
    problems.done()?;
    let seen = table.iter().filter(|item| {
        permitted
            && deprecated.is_none_or(|deprecated| item.deprecated == deprecated)
            && (ids.is_empty() || ids.contains(&item.id))
    });
    let show = |item: &CatalogItem| {
        json!({
            "id": item.id,
            "name": item.name,
            "deprecated": item.deprecated,
            "latest_version": (item.versions > 0).then_some(item.versions),
        })
    };
    Ok(Answer::json(200, &page.cut(seen).document(name, show)))
}

/// Answers `GET /organization/agent/{id}/version`: lists the versions of an agent.
pub(super) fn agent_versions(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let id = validate::path_id("agent_id", call.parameter(0))?;
    let wanted = VersionQuery::read(call)?;
    call.require(Permission::GetAgent)?;
    let home = call.home(world)?;
    let agent = home.agents().get(&id);
    let agent = agent.ok_or_else(|| Refusal::NotFound(format!("agent {id} does not exist")))?;
    Ok(wanted.answer(agent, "agent_versions", |version| agent_version(home.name(), agent, version)))
}

/// Answers `GET /organization/service_hierarchical_state_machine/{id}/version`: lists the versions of a context
/// graph.
pub(super) fn context_graph_versions(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let id = validate::path_id("service_hierarchical_state_machine_id", call.parameter(0))?;
    let wanted = VersionQuery::read(call)?;
    call.require(Permission::GetContextGraph)?;
    let home = call.home(world)?;
    let missing = || Refusal::NotFound(format!("service hierarchical state machine {id} does not exist"));
    let graph = home.context_graphs().get(&id).ok_or_else(missing)?;
    Ok(wanted.answer(graph, "state_machine_versions", |version| {
        context_graph_version(home.name(), graph, version)
    }))
}

/// The versions that a request asks for, with their sort order and page.
struct VersionQuery {
    range: Range,
    descending: bool,
    page: crate::api::query::Page,
}

/// One end of a range of versions: the first or the last version in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Number(u32),
    Latest,
}

/// A range of versions. It includes the first and the last version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range(End, End);

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let end = |text: &str| match text {
            "latest" => Some(End::Latest),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().map(End::Number)
            }
            _ => None,
        };
        match text.split_once('-') {
            Some((from, to)) => Some(Self(end(from)?, end(to)?)),
            None => end(text).map(|only| Self(only, only)),
        }
    }

    fn of(self, item: &CatalogItem) -> std::ops::RangeInclusive<u32> {
        let number = |end| match end {
            End::Number(number) => number,
            End::Latest => item.versions,
        };
        number(self.0).max(1)..=number(self.1).min(item.versions)
    }
}

impl VersionQuery {
    fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let mut problems = RequestProblems::default();
        let range = match call.query.one("version") {
            None => Some(Range(End::Number(1), End::Latest)),
            Some(text) => {
                let range = Range::parse(text);
                if range.is_none() {
                    let message = "Value error, a version is a number, `latest`, or a range such as 2-5";
                    problems.add("value_error", &At::query("version"), message, &json!(text));
                }
                range
            }
        };
        let sorts = call.query.sort(&mut problems, &["version"]);
        let page = call.query.page(&mut problems, VERSION_PAGE);
        problems.done()?;
        let descending = sorts.first().is_some_and(|sort| sort.descending);
        let range = range.ok_or_else(|| problems.refusal())?;
        Ok(Self { range, descending, page })
    }

    fn answer(&self, item: &CatalogItem, name: &str, show: impl FnMut(u32) -> Value) -> Answer {
        let range = self.range.of(item);
        let document = if self.descending {
            self.page.cut(range.rev()).document(name, show)
        } else {
            self.page.cut(range).document(name, show)
        };
        Answer::json(200, &document)
    }
}

/// Returns an invented time of creation for a version, because the state does not store the real time. The time is one
/// minute after the time of the previous version.
fn version_created_at(item: &CatalogItem, version: u32) -> String {
    iso(item.created_at + i64::from(version - 1) * 60_000)
}

/// Returns the id of a version: the id of the agent or context graph, with its last eight digits replaced by the
/// version number.
fn version_id(item: &CatalogItem, version: u32) -> String {
    let head = item.id.get(..16).unwrap_or_default();
    format!("{head}{version:08x}")
}

fn agent_version(organization: &str, agent: &CatalogItem, version: u32) -> Value {
    let initials: String = agent.name.split_whitespace().filter_map(|word| word.chars().next()).collect();
    json!({
        "id": version_id(agent, version),
        "agent_id": agent.id,
        "org_id": organization,
        "version": version,
        "created_at": version_created_at(agent, version),
        "creator": user(organization, "operator"),
        "initials": initials,
        "identity": {
            "name": agent.name,
            "role": "assistant",
            "developed_by": organization,
            "default_spoken_language": "eng",
            "relationship_to_developer": {
                "ownership": "owned by its developer",
                "type": "product",
                "conversation_visibility": "visible",
                "thought_visibility": "visible",
            },
        },
        "background": format!("{} in its version {version}", agent.name),
        "behaviors": [],
        "communication_patterns": [],
        "voice_config": null,
    })
}

fn context_graph_version(organization: &str, graph: &CatalogItem, version: u32) -> Value {
    json!({
        "id": version_id(graph, version),
        "service_hierarchical_state_machine_id": graph.id,
        "org_id": organization,
        "version": version,
        "created_at": version_created_at(graph, version),
        "creator": wire::user(organization, "operator"),
        "description": format!("{} in its version {version}", graph.name),
        "states": [{
            "type": "action",
            "name": "engage",
            "objective": "answer",
            "actions": ["answer the user"],
            "action_guidelines": [],
            "boundary_constraints": [],
            "intra_state_navigation_guidelines": [],
            "exit_conditions": [],
            "action_tool_call_specs": [],
            "exit_condition_tool_call_specs": [],
            "skip_active_memory_retrieval": true,
        }],
        "new_user_initial_state": "engage",
        "returning_user_initial_state": "engage",
        "terminal_state": "engage",
        "references": {},
        "global_action_guidelines": [],
        "global_boundary_constraints": [],
        "global_intra_state_navigation_guidelines": [],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(text: &str, count: u32) -> Option<Vec<u32>> {
        let item = CatalogItem {
            id: String::new(),
            sequence: 1,
            name: String::new(),
            versions: count,
            deprecated: false,
            created_at: 0,
        };
        Range::parse(text).map(|range| range.of(&item).collect())
    }

    #[test]
    fn ranges_of_versions_are_parsed() {
        assert_eq!(versions("latest", 5), Some(vec![5]));
        assert_eq!(versions("3", 5), Some(vec![3]));
        assert_eq!(versions("2-4", 5), Some(vec![2, 3, 4]));
        assert_eq!(versions("4-latest", 5), Some(vec![4, 5]));
        assert_eq!(versions("4-9", 5), Some(vec![4, 5]));
        assert_eq!(versions("9", 5), Some(vec![]));
        assert_eq!(versions("0", 5), Some(vec![]));
        assert_eq!(versions("latest", 0), Some(vec![]));
        assert_eq!(versions("5-2", 5), Some(vec![]));
        for bad in ["", "-", "1-", "-3", "newest", "1-2-3", "1.5", "+1", "99999999999999"] {
            assert_eq!(versions(bad, 5), None, "{bad}");
        }
    }
}
