//! The Platform API: its paths, rate limits, keys and rules.

mod catalog;
mod listing;
pub(super) mod models;
mod multipart;
mod ogg;
mod pins;
mod routes;
mod scalars;
mod schema;
mod services;
mod turns;
pub(super) mod uuid;
mod wire;

use serde_json::{Map, Value, json};

use crate::api::exchange::{Answer, Request};
use crate::api::limits::{Limiter, Limits};
use crate::api::problems::{self, At, RequestProblems};
use crate::api::query::Query;
use crate::api::refusal::Refusal;
use crate::api::routing::{Routed, redirect, route};
use crate::state::World;
use crate::state::{Workspace, WorkspaceKey};
pub(super) use routes::is_platform;
use routes::{Endpoint, ROUTES};

/// Settings for those details of the Platform API that the vendor does not specify, or might change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformOptions {
    /// True if the names of inactive services are taken, so that no other service can get them. If false, only the
    /// names of active services are taken.
    pub inactive_names_taken: bool,
    /// The maximum number of services on one page of a list.
    pub services_page_max: u32,
    /// True if an update that contains version sets keeps those version sets of the service that the update does not
    /// name. If false, the update removes them. An update without version sets always keeps all version sets.
    pub keeps_version_sets: bool,
}

impl Default for PlatformOptions {
    fn default() -> Self {
        Self { inactive_names_taken: true, services_page_max: 100, keeps_version_sets: false }
    }
}

/// The Platform API, with the part of its state that is not in [`World`]: request counts. A restart of the emulator
/// loses this part.
pub(super) struct Platform {
    limiter: Limiter<Endpoint>,
    options: PlatformOptions,
    /// The number of requests so far. Answers with status 409 contain a reference number that is made from this count.
    seen: u64,
}

/// A request whose endpoint is known, and whose key is valid.
struct Call<'a> {
    request: &'a Request,
    options: PlatformOptions,
    query: Query,
    workspace: String,
    /// The parameters in the path after the workspace.
    parameters: Vec<String>,
}

impl Call<'_> {
    /// Returns the workspace that the request is about. It always exists, because `Platform::handle` refuses requests
    /// to unknown workspaces.
    fn home<'w>(&self, world: &'w World) -> Result<&'w Workspace, Refusal> {
        world.workspace(&self.workspace).ok_or_else(|| no_workspace(&self.workspace))
    }

    /// Returns a mutable reference to the workspace that the request is about.
    fn home_mut<'w>(&self, world: &'w mut World) -> Result<&'w mut Workspace, Refusal> {
        world.workspace_mut(&self.workspace).ok_or_else(|| no_workspace(&self.workspace))
    }

    /// Returns the `n`-th parameter of the path, counted from 0. Returns an empty string if the path has fewer
    /// parameters.
    fn parameter(&self, n: usize) -> &str {
        self.parameters.get(n).map_or("", String::as_str)
    }

    /// Reads the id in the path, which is the first parameter after the workspace. Adds an error if it is invalid.
    /// `name` is the name of the parameter in the error.
    fn id(&self, problems: &mut RequestProblems, name: &str) -> Option<String> {
        scalars::uuid(problems, &At::path(name), &json!(self.parameter(0)))
    }

    /// Reads the id in the path, and refuses the request if the id is invalid. Use this function only for requests in
    /// which nothing else can be invalid, because the refusal lists no other errors.
    fn only_id(&self, name: &str) -> Result<String, Refusal> {
        let mut problems = RequestProblems::default();
        self.id(&mut problems, name).ok_or_else(|| problems.refusal())
    }

    /// Parses the request's body, and reads its fields by the rules of `model`. If a field is invalid, adds errors and
    /// returns `Ok(None)`. Refuses the request if the body is not a JSON object.
    fn body(
        &self,
        problems: &mut RequestProblems,
        model: &schema::Model,
    ) -> Result<Option<Map<String, Value>>, Refusal> {
        let fields = problems::object(self.request.header("content-type"), &self.request.body)?;
        Ok(model.read(problems, &At::body(), &Value::Object(fields)))
    }

    /// Returns the time of the request, in milliseconds since 1970.
    fn millis(&self) -> i64 {
        crate::api::exchange::millis(self.request.now)
    }
}

fn no_workspace(id: &str) -> Refusal {
    Refusal::NotFound(format!("workspace {id} does not exist"))
}

impl Platform {
    pub(super) fn new(limits: Limits, options: PlatformOptions) -> Self {
        Self { limiter: Limiter::new(limits), options, seen: 0 }
    }

    /// Answers a request. If the request is refused, nothing in `world` changes.
    pub(super) fn handle(&mut self, request: &Request, world: &mut World) -> Answer {
        self.seen += 1;
        let (endpoint, mut parameters) = match route(ROUTES, &request.method, &request.path) {
            Routed::Found { endpoint, parameters } => (endpoint, parameters),
            Routed::Redirect(path) => return redirect(request, &path),
            Routed::WrongMethod(methods) => {
                return Answer::detail(405, "Method Not Allowed").with("allow", methods);
            }
            Routed::Unknown => return Answer::detail(404, "Not Found"),
        };
        let named = parameters.remove(0);
        let workspace = match find_workspace(world, &named) {
            Ok(workspace) => workspace,
            Err(refusal) => {
                // Requests to unknown workspaces are not counted. Otherwise, any client could fill the memory with
                // made-up ids. A request without a valid key is answered with 401, so that the client does not learn
                // which workspaces exist.
                let refusal = known_key(request, world, None).err().unwrap_or(refusal);
                let allowance = self.limiter.unused(endpoint.limit(), request.now);
                return allowance.add_headers(refusal.answer());
            }
        };
        let allowance = self.limiter.take(&workspace, endpoint, endpoint.limit(), request.now);
        let before = world.clone();
        let outcome = match allowance.retry_after {
            Some(retry_after) => Err(Refusal::TooMany { retry_after }),
            None => self.run(endpoint, workspace, parameters, request, world),
        };
        let answer = outcome.unwrap_or_else(|refusal| {
            *world = before;
            self.refuse(&refusal)
        });
        allowance.add_headers(answer)
    }

    /// Returns the answer for a refusal. An answer with status 409 also has an error code, and a reference number for
    /// the vendor's support.
    fn refuse(&self, refusal: &Refusal) -> Answer {
        match refusal {
            Refusal::Conflict(detail) => {
                let request_id = format!("req_{:012x}", self.seen);
                Answer::json(
                    409,
                    &json!({"detail": detail, "request_id": request_id, "error_code": "conflict"}),
                )
            }
            other => other.answer(),
        }
    }

    fn run(
        &self,
        endpoint: Endpoint,
        workspace: String,
        parameters: Vec<String>,
        request: &Request,
        world: &mut World,
    ) -> Result<Answer, Refusal> {
        let who = known_key(request, world, Some(&workspace))?;
        let who = who.ok_or_else(|| Refusal::Forbidden("the API key is another workspace's".to_owned()))?;
        if !who.may(endpoint.permission()) {
            return Err(Refusal::lacks(endpoint.permission().name()));
        }
        let query = Query::parse(request.query.as_deref());
        let call = Call { request, options: self.options, query, workspace, parameters };
        match endpoint {
            Endpoint::ListServices => services::list(&call, world),
            Endpoint::CreateService => services::create(&call, world),
            Endpoint::GetService => services::get(&call, world),
            Endpoint::UpdateService => services::update(&call, world),
            Endpoint::DeleteService => services::delete(&call, world),
            Endpoint::UpsertVersionSet => services::put_version_set(&call, world),
            Endpoint::TextTurn => turns::text(&call, world),
            Endpoint::VoiceTurn => turns::voice(&call, world),
            Endpoint::ListAgents => catalog::list(&call, world, &catalog::AGENTS),
            Endpoint::GetAgent => catalog::get(&call, world, &catalog::AGENTS),
            Endpoint::ListAgentVersions => catalog::versions(&call, world, &catalog::AGENTS),
            Endpoint::ListContextGraphs => catalog::list(&call, world, &catalog::CONTEXT_GRAPHS),
            Endpoint::GetContextGraph => catalog::get(&call, world, &catalog::CONTEXT_GRAPHS),
            Endpoint::ListContextGraphVersions => catalog::versions(&call, world, &catalog::CONTEXT_GRAPHS),
        }
    }
}

fn find_workspace(world: &World, named: &str) -> Result<String, Refusal> {
    let mut problems = RequestProblems::default();
    let id = scalars::uuid(&mut problems, &At::path("workspace_id"), &json!(named));
    let id = id.ok_or_else(|| problems.refusal())?;
    if world.workspace(&id).is_some() { Ok(id) } else { Err(no_workspace(&id)) }
}

/// Returns the key with which a request was sent, if it is a key of `workspace`. Returns `Ok(None)` if only another
/// workspace has the key, or if `workspace` is `None`. Refuses the request if no workspace has the key.
fn known_key<'w>(
    request: &Request,
    world: &'w World,
    workspace: Option<&str>,
) -> Result<Option<&'w WorkspaceKey>, Refusal> {
    let refused = || Refusal::Unauthorized("the API key is missing or invalid".to_owned());
    let credentials = request.header("authorization").ok_or_else(refused)?;
    let (scheme, secret) = credentials.split_once(' ').ok_or_else(refused)?;
    let secret = secret.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || secret.is_empty() {
        return Err(refused());
    }
    let of = |home: &'w Workspace| home.api_keys().iter().find(|known| known.key == secret);
    let here = workspace.and_then(|id| world.workspace(id)).and_then(of);
    match here {
        Some(key) => Ok(Some(key)),
        None if world.workspaces().any(|home| of(home).is_some()) => Ok(None),
        None => Err(refused()),
    }
}
