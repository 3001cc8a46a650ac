//! Helpers of the tests: a server, a client, and a clock that only the test advances.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amigops_emulator::{Observer, Options, Seed, Server};
use serde_json::{Value, json};

/// The seed of most tests: two agents, two context graphs, one service, and users with fewer permissions.
pub(crate) const SEED: &str = "
organizations:
  acme:
    api_keys:
      - {id: all, key: secret, user: maya}
      - {id: other, key: secret, user: noor}
      - {id: reader, key: secret, user: rae, permissions: ['Service:GetService']}
      - {id: nobody, key: secret, user: nils, permissions: []}
      - {id: half, key: secret, user: hal, hidden_services: [Health Coach]}
    agents:
      - {name: Coach Maya, versions: 5, id: aaaaaaaaaaaaaaaaaaaaaaaa}
      - {name: Old Coach, versions: 2, deprecated: true, id: bbbbbbbbbbbbbbbbbbbbbbbb}
      - {name: Unborn, versions: 0, id: cccccccccccccccccccccccc}
      - {name: Novice, versions: 2, id: abababababababababababab}
    context_graphs:
      - {name: Coaching Flow, versions: 6, id: dddddddddddddddddddddddd}
      - {name: Old Flow, versions: 1, deprecated: true, id: eeeeeeeeeeeeeeeeeeeeeeee}
      - {name: Empty Flow, versions: 0, id: ffffffffffffffffffffffff}
    services:
      - name: Health Coach
        id: 111111111111111111111111
        description: Coaches
        agent: Coach Maya
        context_graph: Coaching Flow
        tags: {team: care, audited: ~}
        keyterms: [metformin]
        version_sets:
          release: {agent_version: 3, context_graph_version: 5}
          staging: {agent_version: latest, context_graph_version: 6, applied_behavior_ids: [x]}
          tested: {agent_version: 1, context_graph_version: 1}
    behavior_sets:
      - {name: Safety, id: 222222222222222222222222, applied_to: [Health Coach], tags: {kind: safety}}
      - {name: Tone, id: 333333333333333333333333, active: false}
    unit_tests:
      - {service: Health Coach, version_set: tested}
  globex:
    api_keys: [{id: all, key: secret, user: greg}]
";

pub(crate) const SERVICE: &str = "111111111111111111111111";
pub(crate) const AGENT: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const OLD_AGENT: &str = "bbbbbbbbbbbbbbbbbbbbbbbb";
pub(crate) const UNBORN_AGENT: &str = "cccccccccccccccccccccccc";
pub(crate) const NOVICE: &str = "abababababababababababab";
pub(crate) const GRAPH: &str = "dddddddddddddddddddddddd";
pub(crate) const OLD_GRAPH: &str = "eeeeeeeeeeeeeeeeeeeeeeee";
pub(crate) const MISSING: &str = "999999999999999999999999";

/// A clock that only the test advances. It stores the time in milliseconds since the Unix epoch.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000_000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }

    pub(crate) fn source(&self) -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
        let millis = Arc::clone(&self.0);
        Arc::new(move || UNIX_EPOCH + Duration::from_millis(millis.load(Ordering::SeqCst)))
    }
}

/// An answer of the server.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Checks that the reply has this status, and that its `detail` contains the text `part`.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, part: &str) {
        let reply = self.expect(status);
        let detail = reply.json()["detail"].to_string();
        assert!(detail.contains(part), "{detail} has no {part:?}");
    }

    /// Checks that the reply has the status 422, and an error of the type `kind` at the location `loc`.
    #[track_caller]
    pub(crate) fn invalid(self, kind: &str, loc: Value) {
        let detail = self.expect(422).json()["detail"].clone();
        let problems = detail.as_array().expect("a list of problems");
        for problem in problems {
            for field in ["type", "loc", "msg", "input"] {
                assert!(problem.get(field).is_some(), "{field} is missing: {problem}");
            }
        }
        assert!(problems.iter().any(|p| p["type"] == kind && p["loc"] == loc), "{detail}");
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the events of a streamed reply. Each line of the reply is one event in JSON.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

/// A server, and a client that is signed in.
pub(crate) struct TestServer {
    pub(crate) server: Option<Server>,
    pub(crate) clock: Clock,
    pub(crate) url: String,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    token: Mutex<String>,
}

impl TestServer {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = Clock::new();
        let mut options = Options::new(clock.source());
        options.seed = Some(Seed::from_yaml(SEED).unwrap());
        change(&mut options);
        let api = Self::unsigned(clock, Server::start(options).unwrap());
        api.sign_in_as("all", "maya");
        api
    }

    pub(crate) fn watched(observer: Arc<dyn Observer>) -> Self {
        Self::with(|options| options.observer = Some(observer))
    }

    pub(crate) fn unsigned(clock: Clock, server: Server) -> Self {
        // This call fails if another test has already installed the provider. That is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("suite")
            .build()
            .unwrap();
        let url = server.url();
        Self { server: Some(server), clock, url, runtime, client, token: Mutex::default() }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn sign_in_as(&self, id: &str, user: &str) {
        let reply = self.sign_in("acme", id, "secret", user).expect(200);
        *self.token.lock().unwrap() = reply.json()["id_token"].as_str().unwrap().to_owned();
    }

    pub(crate) fn sign_in(&self, organization: &str, id: &str, key: &str, user: &str) -> Reply {
        let path = format!("/v1/{organization}/user/signin_with_api_key");
        let headers = [("x-api-key", key), ("x-api-key-id", id), ("x-user-id", user)];
        self.raw("POST", &path, &headers, None).unwrap()
    }

    pub(crate) fn token(&self) -> String {
        self.token.lock().unwrap().clone()
    }

    /// Sends a request with only these headers and this body. Adds no credentials.
    pub(crate) fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Reply, reqwest::Error> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        self.runtime.block_on(async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok(Reply { status, headers, text: response.text().await? })
        })
    }

    /// Sends a request as the signed-in user. `path` is relative to `/v1/acme`.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, reqwest::Error> {
        let bearer = format!("Bearer {}", self.token());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.raw(method, &format!("/v1/acme{path}"), &headers, body.map(|body| body.to_string().into_bytes()))
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.try_send("GET", path, None).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.try_send("POST", path, Some(body)).unwrap()
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Reply {
        self.try_send("PUT", path, Some(body)).unwrap()
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.try_send("DELETE", path, None).unwrap()
    }

    /// Creates a service and returns its id. `changes` are the fields that differ from the default body (see
    /// [`service`]).
    #[track_caller]
    pub(crate) fn create(&self, changes: &Value) -> String {
        let reply = self.post("/service/", &service(changes)).expect(201);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// Returns the service with this id, as the list of services shows it.
    #[track_caller]
    pub(crate) fn shown(&self, id: &str) -> Value {
        self.get(&format!("/service/?id={id}")).expect(200).json()["services"][0].clone()
    }
}

/// Returns the body of a request that creates a service. `changes` replaces fields of a default body, and a null
/// removes a field.
pub(crate) fn service(changes: &Value) -> Value {
    let mut body = json!({
        "name": "Meet & Greet", "description": "First steps", "is_active": true, "keyterms": [], "tags": {},
        "agent_id": AGENT, "service_hierarchical_state_machine_id": GRAPH,
    });
    let fields = body.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(fields.remove(name)),
            value => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    body
}
