//! The Classic API: its paths, rate limits, sign-in and rules.

mod auth;
mod behavior_sets;
mod catalog;
mod conversations;
mod filters;
mod routes;
mod services;
mod tags;
mod validate;
mod version_sets;
mod wire;

use std::time::Duration;

use crate::api::exchange::{self, Answer, Request};
use crate::api::limits::{Limiter, Limits};
use crate::api::problems;
use crate::api::query::Query;
use crate::api::refusal::Refusal;
use crate::api::routing::{Routed, redirect, route};
use crate::state::{ApiKey, Organization, Permission, World};
use auth::Sessions;
use routes::{Endpoint, ROUTES};

/// The Classic API, with the part of its state that is not in [`World`]: request counts and tokens. A restart of the
/// emulator loses this part.
pub(super) struct Classic {
    limiter: Limiter<Endpoint>,
    sessions: Sessions,
}

/// A request whose endpoint is known, and whose user is signed in.
struct Call<'a> {
    request: &'a Request,
    query: Query,
    organization: String,
    /// The parameters in the path after the organization.
    parameters: Vec<String>,
    key: ApiKey,
}

impl Call<'_> {
    /// Returns the organization that the request is about. It always exists, because `Classic::handle` refuses requests
    /// to unknown organizations.
    fn home<'w>(&self, world: &'w World) -> Result<&'w Organization, Refusal> {
        world.organization(&self.organization).ok_or_else(|| no_organization(&self.organization))
    }

    /// Returns a mutable reference to the organization that the request is about.
    fn home_mut<'w>(&self, world: &'w mut World) -> Result<&'w mut Organization, Refusal> {
        world.organization_mut(&self.organization).ok_or_else(|| no_organization(&self.organization))
    }

    /// Returns the `n`-th parameter of the path, counted from 0. Returns an empty string if the path has fewer
    /// parameters.
    fn parameter(&self, n: usize) -> &str {
        self.parameters.get(n).map_or("", String::as_str)
    }

    /// Refuses the request if the user does not have the permission. The refusal names the permission.
    fn require(&self, permission: Permission) -> Result<(), Refusal> {
        if self.key.may(permission) { Ok(()) } else { Err(Refusal::lacks(permission.name())) }
    }

    /// Parses the request's body and returns its fields.
    fn fields(&self) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
        problems::object(self.request.header("content-type"), &self.request.body)
    }

    /// Returns the time of the request, in milliseconds since 1970.
    fn millis(&self) -> i64 {
        exchange::millis(self.request.now)
    }
}

/// Returns the refusal of a request whose organization does not exist.
fn no_organization(name: &str) -> Refusal {
    Refusal::NotFound(format!("organization {name:?} does not exist"))
}

/// Returns the refusal of a request whose service does not exist.
fn no_service(id: &str) -> Refusal {
    Refusal::NotFound(format!("service {id} does not exist"))
}

impl Classic {
    pub(super) fn new(limits: Limits, token_lifetime: Duration) -> Self {
        Self { limiter: Limiter::new(limits), sessions: Sessions::new(token_lifetime) }
    }

    /// Answers a request. If the request is refused, nothing in `world` changes.
    pub(super) fn handle(&mut self, request: &Request, world: &mut World) -> Answer {
        let (endpoint, mut parameters) = match route(ROUTES, &request.method, &request.path) {
            Routed::Found { endpoint, parameters } => (endpoint, parameters),
            Routed::Redirect(path) => return redirect(request, &path),
            Routed::WrongMethod(methods) => {
                return Answer::detail(405, "Method Not Allowed").with("allow", methods);
            }
            Routed::Unknown => return Answer::detail(404, "Not Found"),
        };
        let organization = parameters.remove(0);
        if world.organization(&organization).is_none() {
            // Requests are not counted for organizations that do not exist. Otherwise, any client could fill the memory
            // with made-up names.
            let allowance = self.limiter.unused(endpoint.limit(), request.now);
            return allowance.add_headers(no_organization(&organization).answer());
        }
        let allowance = self.limiter.take(&organization, endpoint, endpoint.limit(), request.now);
        let before = world.clone();
        let outcome = match allowance.retry_after {
            Some(retry_after) => Err(Refusal::TooMany { retry_after }),
            None => self.run(endpoint, organization, parameters, request, world),
        };
        let answer = outcome.unwrap_or_else(|refusal| {
            *world = before;
            refusal.answer()
        });
        allowance.add_headers(answer)
    }

    fn run(
        &mut self,
        endpoint: Endpoint,
        organization: String,
        parameters: Vec<String>,
        request: &Request,
        world: &mut World,
    ) -> Result<Answer, Refusal> {
        if endpoint == Endpoint::SignIn {
            let home = world.organization(&organization).ok_or_else(|| no_organization(&organization))?;
            return self.sessions.sign_in(request, home);
        }
        let key = self.sessions.authenticate(request, &organization, world)?;
        let query = Query::parse(request.query.as_deref());
        let call = Call { request, query, organization, parameters, key };
        match endpoint {
            Endpoint::SignIn => Err(Refusal::BadRequest("already handled".to_owned())),
            Endpoint::ListServices => services::list(&call, world),
            Endpoint::CreateService => services::create(&call, world),
            Endpoint::UpdateService => services::update(&call, world),
            Endpoint::GetVersionSet => version_sets::get(&call, world),
            Endpoint::UpsertVersionSet => version_sets::put(&call, world),
            Endpoint::DeleteVersionSet => version_sets::delete(&call, world),
            Endpoint::ListAgents => catalog::agents(&call, world),
            Endpoint::ListAgentVersions => catalog::agent_versions(&call, world),
            Endpoint::ListContextGraphs => catalog::context_graphs(&call, world),
            Endpoint::ListContextGraphVersions => catalog::context_graph_versions(&call, world),
            Endpoint::ListBehaviorSets => behavior_sets::list(&call, world),
            Endpoint::UpdateBehaviorSet => behavior_sets::update(&call, world),
            Endpoint::ListConversations => conversations::list(&call, world),
            Endpoint::StartConversation => conversations::start(&call, world),
            Endpoint::FinishConversation => conversations::finish(&call, world),
        }
    }
}
