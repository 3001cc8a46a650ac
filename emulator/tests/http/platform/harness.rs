//! Helpers of the Platform tests: a server with a workspace, and a client with an API key of the workspace.

use amigops_emulator::{Options, PlatformOptions, SANDBOX_WORKSPACE, Seed, Server};
use serde_json::{Value, json};

use super::super::harness::{Clock, Reply, TestServer};

/// The seed of most tests: agents, context graphs, a service, a system service, and keys with fewer
/// permissions.
pub(super) const SEED: &str = "
workspaces:
  sandbox:
    api_keys:
      - {key: all}
      - {key: reading, name: reader, permissions: [Service.view]}
      - {key: nothing, id: nobody, permissions: []}
    agents:
      - {name: Coach Maya, versions: 5, id: aaaaaaaa-0000-4000-8000-000000000001}
      - {name: Novice, versions: 2, id: AAAAAAAA-0000-4000-8000-000000000002}
      - {name: Unborn, versions: 0, id: aaaaaaaa-0000-4000-8000-000000000003}
    context_graphs:
      - {name: Coaching Flow, versions: 6, id: bbbbbbbb-0000-4000-8000-000000000001}
      - {name: Short Flow, versions: 1, id: bbbbbbbb-0000-4000-8000-000000000002}
    services:
      - name: Health Coach
        id: 11111111-0000-4000-8000-000000000001
        description: Coaches
        agent: Coach Maya
        context_graph: Coaching Flow
        tags: {team: care, audited: ~}
        keyterms: [Metformin]
        tool_capacity: 5
        voice_config: {tts_model: sonic-3, forwarding: {forward_to: '+4912345'}}
        escalation_policy: {risk_scorer: {type: hangup}}
        version_sets:
          release: {agent_version: 3, context_graph_version: 5}
          staging: {agent_version: latest, context_graph_version: 6, llm_model_preferences: {talk: {llm_name: m}}}
      - {name: Sleeper, agent: Novice, context_graph: Short Flow, active: false}
      - name: House
        id: 11111111-0000-4000-8000-000000000002
        agent: Novice
        context_graph: Short Flow
        is_system: true
  6f6f6f6f-0000-4000-8000-000000000000:
    api_keys: [{key: foreign}]
";

pub(super) const SERVICE: &str = "11111111-0000-4000-8000-000000000001";
pub(super) const SYSTEM: &str = "11111111-0000-4000-8000-000000000002";
pub(super) const AGENT: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub(super) const NOVICE: &str = "aaaaaaaa-0000-4000-8000-000000000002";
pub(super) const UNBORN: &str = "aaaaaaaa-0000-4000-8000-000000000003";
pub(super) const GRAPH: &str = "bbbbbbbb-0000-4000-8000-000000000001";
pub(super) const SHORT_GRAPH: &str = "bbbbbbbb-0000-4000-8000-000000000002";
pub(super) const MISSING: &str = "99999999-0000-4000-8000-000000000000";
pub(super) const OTHER_WORKSPACE: &str = "6f6f6f6f-0000-4000-8000-000000000000";

/// A server, and a client of its sandbox workspace.
pub(super) struct WorkspaceServer(pub(super) TestServer);

impl WorkspaceServer {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::seeded(SEED, change)
    }

    pub(super) fn optioned(platform: PlatformOptions) -> Self {
        Self::with(|options| options.platform = platform)
    }

    pub(super) fn seeded(seed: &str, change: impl FnOnce(&mut Options)) -> Self {
        let clock = Clock::new();
        let mut options = Options::new(clock.source());
        options.seed = Some(Seed::from_yaml(seed).unwrap());
        change(&mut options);
        Self(TestServer::unsigned(clock, Server::start(options).unwrap()))
    }

    /// Sends a request with this API key. `path` is relative to the sandbox workspace.
    pub(super) fn send_as(&self, key: &str, method: &str, path: &str, body: Option<Vec<u8>>) -> Reply {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.0.raw(method, &format!("/v1/{SANDBOX_WORKSPACE}{path}"), &headers, body).unwrap()
    }

    pub(super) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.send_as("all", method, path, body.map(|body| body.to_string().into_bytes()))
    }

    pub(super) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None)
    }

    pub(super) fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, Some(&body))
    }

    pub(super) fn put(&self, path: &str, body: Value) -> Reply {
        self.send("PUT", path, Some(&body))
    }

    /// Sends an update of the service that the seed contains.
    pub(super) fn update(&self, body: Value) -> Reply {
        self.put(&format!("/services/{SERVICE}"), body)
    }

    /// Sends a request that creates a service. `changes` are the fields that differ from the default body.
    pub(super) fn create(&self, changes: Value) -> Reply {
        self.post("/services", service(changes))
    }

    #[track_caller]
    pub(super) fn shown(&self, id: &str) -> Value {
        self.get(&format!("/services/{id}")).expect(200).json()
    }
}

/// Returns the body of a request that creates a service. `changes` replaces fields of a default body. A null is sent as
/// null.
pub(super) fn service(changes: Value) -> Value {
    let mut body = json!({"name": "Meet & Greet", "agent_id": AGENT, "context_graph_id": GRAPH});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Checks that a reply has the status 422, and returns its errors in alphabetical order. Each error is a string of its
/// type and its location.
#[track_caller]
pub(super) fn problems(reply: Reply) -> Vec<String> {
    let detail = reply.expect(422).json()["detail"].clone();
    let mut found: Vec<String> = detail
        .as_array()
        .expect("a list of problems")
        .iter()
        .map(|problem| {
            assert!(problem["msg"].is_string() && problem.get("input").is_some(), "{problem}");
            let loc = problem["loc"].as_array().expect("a place").iter();
            let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
            let loc: Vec<String> = loc.map(step).collect();
            format!("{} {}", problem["type"].as_str().unwrap(), loc.join("."))
        })
        .collect();
    found.sort();
    found
}

/// Returns the names of the items in a list reply.
pub(super) fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}
