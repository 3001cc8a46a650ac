//! The requests of the Platform API. Their parameters and results are types of `model`. After each partial update, the
//! answer is checked to see whether the server applied the update.

mod turn;
mod unapplied;
mod wire;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use self::unapplied::{describe, find_unapplied};
use super::access::Access;
use super::api::{ReadApi, WriteApi};
use super::body::parse_error;
use super::call::{Call, segment};
use super::client::Client;
use super::failure::{ApiError, FailureCause};
use super::limits::Reservation;
use super::pages::{VersionEntry, add_to_catalog, page};
use super::service_list::{Listing, ServiceList};
use super::wire::CatalogItem;
use crate::model::{
    AgentId, Api, BehaviorSet, BehaviorSetId, Catalog, ContextGraphId, Endpoint, LatestVersion, LiveService,
    Need, NewService, ServiceId, ServiceUpdate, SmokeTest, VersionSet, VersionSetName, merged, settings,
};

/// The maximum number of services on one page that older servers allow.
const SMALL_PAGE: usize = 20;
/// The maximum number of agents or context graphs that are read one by one. If more are needed, the whole list is read
/// instead.
const MAX_SINGLE_READS: usize = 5;
/// The field of a service that contains its version sets.
const VERSION_SETS: &str = "version_sets";

/// The JSON of a service, including unknown fields.
type RawService = Map<String, Value>;

/// One lock for each service, by its id.
type ServiceLocks = Arc<Mutex<BTreeMap<ServiceId, Arc<tokio::sync::Mutex<()>>>>>;

/// A connection to one workspace of the Platform API. Clones share its token and rate limits.
#[derive(Clone, Debug)]
pub struct Platform {
    client: Client,
    /// The phone number that smoke tests call from.
    phone_number: String,
    /// True once the server has refused a request for a large page of services. From then on, small pages are
    /// requested.
    small_pages: Arc<AtomicBool>,
    /// The locks that let only one task at a time change the version sets or nested settings of a service, or test it.
    /// An update replaces these values as a whole, so concurrent updates would overwrite each other's changes.
    locks: ServiceLocks,
    /// A service as it was when the writes to it were planned. If the live service has changed since, a write that is
    /// based on the live state fails.
    seen: Option<Arc<LiveService>>,
}

page!(Services, items, wire::Service);
page!(CatalogItems, items, CatalogItem);
page!(Versions, items, VersionEntry);

impl Platform {
    /// The default phone number of smoke tests. It is reserved for fictional use.
    pub const PHONE_NUMBER: &'static str = "+12025550100";

    /// Prepares a connection. Nothing is sent yet. Smoke tests call from `phone_number` (in the format E.164), or from
    /// [`Self::PHONE_NUMBER`] if it is `None`.
    ///
    /// # Errors
    ///
    /// Fails if the credentials must not be sent to the address or belong to the other API. Also fails if TLS can't be
    /// set up on this machine.
    pub fn new(access: Access, phone_number: Option<String>) -> Result<Self, ApiError> {
        Ok(Self::with_client(Client::new(access, Api::Platform)?, phone_number))
    }

    /// Prepares a connection that uses the given transport, for simulations.
    #[cfg(any(test, feature = "test-support"))]
    pub(super) fn over(transport: super::transport::Transport, access: Access) -> Self {
        Self::with_client(Client::over(transport, access, Api::Platform), None)
    }

    fn with_client(client: Client, phone_number: Option<String>) -> Self {
        Self {
            client,
            phone_number: phone_number.unwrap_or_else(|| Self::PHONE_NUMBER.to_owned()),
            small_pages: Arc::default(),
            locks: Arc::default(),
            seen: None,
        }
    }

    fn service_path(&self, id: &ServiceId) -> String {
        self.client.path(&format!("services/{}", segment(id.as_str())))
    }

    fn lock(&self, id: &ServiceId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(id.clone()).or_default())
    }

    /// Reads all agents or all context graphs, or only those with the ids in `need`.
    async fn catalog<Id: Ord + Clone + AsRef<str> + for<'t> From<&'t str>>(
        &self,
        (list, one): (Endpoint, Endpoint),
        path: &str,
        need: &Need<Id>,
    ) -> Result<Catalog<Id>, ApiError> {
        let mut catalog = Catalog::default();
        match need {
            Need::Nothing => {}
            Need::Only(ids) if ids.len() <= MAX_SINGLE_READS => {
                for id in ids {
                    let path = format!("{path}/{}", segment(id.as_ref()));
                    match self.client.call_json(&Call::get(one, path, Vec::new())).await {
                        // Use the requested id as the key, because the server may spell the id differently.
                        Ok(item) => {
                            let item = CatalogItem { id: id.as_ref().to_owned(), ..item };
                            add_to_catalog(&mut catalog, vec![item]);
                        }
                        Err(error) if error.status() == Some(404) => {
                            catalog.missing.insert(id.clone());
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Need::All | Need::Only(_) => {
                catalog.complete = true;
                add_to_catalog(&mut catalog, self.client.pages::<CatalogItems>(list, path, &[]).await?);
            }
        }
        Ok(catalog)
    }

    /// Reads the JSON of one service.
    async fn get(&self, id: &ServiceId) -> Result<RawService, ApiError> {
        self.client.call_json(&Call::get(Endpoint::GetService, self.service_path(id), Vec::new())).await
    }

    /// Reads the JSON of a service before a write that is based on it.
    ///
    /// # Errors
    ///
    /// Fails if the request fails, or if the service differs from the state that the write was planned for.
    async fn get_unchanged(&self, id: &ServiceId) -> Result<RawService, ApiError> {
        let live = self.get(id).await?;
        let Some(seen) = self.seen.as_deref().filter(|seen| seen.id == *id) else { return Ok(live) };
        if self.parse_service(id, live.clone())? == *seen {
            return Ok(live);
        }
        let call = self.update_call(id, None);
        let message = "not sent: another client is changing the service";
        Err(ApiError::new(&call.method, &call.path, FailureCause::Moved, message))
    }

    /// Converts the JSON of a service into the type of the model.
    fn parse_service(&self, id: &ServiceId, json: RawService) -> Result<LiveService, ApiError> {
        let service: wire::Service = serde_json::from_value(Value::Object(json))
            .map_err(|error| parse_error(&self.update_call(id, None), &error))?;
        Ok(service.into_live())
    }

    /// Sends a partial update and returns the JSON of the updated service, or `None` if there was nothing to send.
    /// `repeatable` is true if sending the update twice has the same effect as sending it once.
    ///
    /// `body` builds the body of the request. It is called for each attempt, because the live service may have changed
    /// since the previous attempt.
    async fn send_update(
        &self,
        id: &ServiceId,
        repeatable: bool,
        body: impl AsyncFn() -> Result<Option<RawService>, ApiError>,
    ) -> Result<Option<RawService>, ApiError> {
        let build = async || {
            Ok(body().await?.map(|body| {
                let call = self.update_call(id, Some(Value::Object(body)));
                if repeatable { call } else { call.checked_by_caller() }
            }))
        };
        let answered =
            self.client.call_rebuilding_request(build, |body| serde_json::from_slice::<Value>(body)).await?;
        match answered {
            None => Ok(None),
            Some(Value::Object(service)) if service.contains_key("id") => Ok(Some(service)),
            // The answer should be the whole service. Otherwise, the service is read to check the update.
            Some(_) => {
                let read = self.uninterruptible().get(id).await;
                read.map(Some).map_err(|error| ApiError { ambiguous: true, ..error })
            }
        }
    }

    fn update_call(&self, id: &ServiceId, body: Option<Value>) -> Call {
        Call::new(Endpoint::UpdateService, Method::PUT, self.service_path(id), body)
    }

    /// Returns the error for an update that the server accepted but did not apply.
    fn not_applied_error(&self, id: &ServiceId, message: String) -> ApiError {
        let call = self.update_call(id, None);
        ApiError::new(&call.method, &call.path, FailureCause::NotApplied, message)
    }
}

/// Removes the version sets from the JSON of a service, and returns them.
fn take_version_sets(service: &mut RawService) -> RawService {
    match service.remove(VERSION_SETS) {
        Some(Value::Object(sets)) => sets,
        _ => RawService::new(),
    }
}

/// Returns `sets` with the version sets of an update added. A version set of the same name is replaced.
fn with_updated_sets(mut sets: RawService, update: &ServiceUpdate) -> RawService {
    for (name, set) in &update.version_sets {
        sets.insert(name.to_string(), wire::version_set_body(set));
    }
    sets
}

impl ReadApi for Platform {
    async fn list_services(&self, listing: Listing) -> Result<ServiceList, ApiError> {
        let (endpoint, path) = (Endpoint::ListServices, self.client.path("services"));
        loop {
            let small = self.small_pages.load(Ordering::Relaxed);
            let size = if small { SMALL_PAGE } else { endpoint.page_size(Api::Platform) };
            match self.client.read_pages::<Services>(endpoint, &path, &listing.filter(), size).await {
                Err(error) if !small && error.status() == Some(422) && error.message.contains("limit") => {
                    self.small_pages.store(true, Ordering::Relaxed);
                }
                reading => return Ok(ServiceList::new(listing, path, reading?, wire::Service::into_live)),
            }
        }
    }

    async fn service(&self, id: &ServiceId) -> Result<Option<LiveService>, ApiError> {
        let call = Call::get(Endpoint::GetService, self.service_path(id), Vec::new());
        match self.client.call_json::<wire::Service>(&call).await {
            Ok(service) => Ok(Some(service.into_live())),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn services_by_id(&self, ids: &BTreeSet<ServiceId>) -> Result<Vec<LiveService>, ApiError> {
        let mut services = Vec::new();
        for id in ids {
            services.extend(self.service(id).await?);
        }
        Ok(services)
    }

    async fn agents(&self, need: &Need<AgentId>) -> Result<Catalog<AgentId>, ApiError> {
        self.catalog((Endpoint::ListAgents, Endpoint::GetAgent), &self.client.path("agents"), need).await
    }

    async fn context_graphs(&self, need: &Need<ContextGraphId>) -> Result<Catalog<ContextGraphId>, ApiError> {
        let endpoints = (Endpoint::ListContextGraphs, Endpoint::GetContextGraph);
        self.catalog(endpoints, &self.client.path("context-graphs"), need).await
    }

    async fn latest_agent_version(&self, id: &AgentId) -> Result<LatestVersion, ApiError> {
        let path = self.client.path(&format!("agents/{}/versions", segment(id.as_str())));
        self.client
            .newest_version::<Versions>(Endpoint::ListAgentVersions, path, ("sort_by", "-version"))
            .await
    }

    async fn latest_context_graph_version(&self, id: &ContextGraphId) -> Result<LatestVersion, ApiError> {
        let path = self.client.path(&format!("context-graphs/{}/versions", segment(id.as_str())));
        let endpoint = Endpoint::ListContextGraphVersions;
        self.client.newest_version::<Versions>(endpoint, path, ("sort_by", "-version")).await
    }

    async fn behavior_sets(&self, _: &BTreeSet<ServiceId>) -> Result<Vec<BehaviorSet>, ApiError> {
        Ok(Vec::new())
    }

    async fn behavior_set(&self, _: &BehaviorSetId) -> Result<Option<BehaviorSet>, ApiError> {
        Ok(None)
    }
}

impl WriteApi for Platform {
    fn uninterruptible(&self) -> Self {
        Self { client: self.client.uninterruptible(), ..self.clone() }
    }

    fn with_deadline(&self, deadline: Instant) -> Self {
        Self { client: self.client.with_deadline(deadline), ..self.clone() }
    }

    fn expect_requests(&self, endpoint: Endpoint, count: u32) {
        self.client.expect_requests(endpoint, count);
    }

    fn without_retries(&self) -> Self {
        Self { client: self.client.without_retries(), ..self.clone() }
    }

    fn with_reservation(&self, reservation: &Arc<Reservation>) -> Self {
        Self { client: self.client.with_reservation(reservation), ..self.clone() }
    }

    fn decided_on(&self, seen: &LiveService) -> Self {
        Self { seen: Some(Arc::new(seen.clone())), ..self.clone() }
    }

    async fn create_service(&self, new: &NewService) -> Result<ServiceId, ApiError> {
        #[derive(Deserialize)]
        struct Created {
            id: String,
        }
        let body = Value::Object(wire::create_body(new));
        let call = Call::new(Endpoint::CreateService, Method::POST, self.client.path("services"), Some(body))
            .checked_by_caller();
        let created: Created = self.client.call_json(&call).await?;
        Ok(ServiceId::new(created.id))
    }

    async fn update_service(&self, id: &ServiceId, update: &ServiceUpdate) -> Result<(), ApiError> {
        let lock = self.lock(id);
        let has_blocks = update.settings.values().any(Value::is_object);
        let needs_live_state = has_blocks || !update.version_sets.is_empty();
        let _guard = if needs_live_state { Some(lock.lock().await) } else { None };
        let sent = RefCell::new(update.clone());
        let body = async || {
            if !needs_live_state {
                return Ok(Some(wire::update_body(update)));
            }
            // The server replaces nested settings and the map of version sets as a whole. So the request also contains
            // their other live values, unchanged. Otherwise, changes by other clients and unknown fields would be lost.
            let mut live = self.get_unchanged(id).await?;
            let sets = take_version_sets(&mut live);
            live.retain(|name, _| update.settings.contains_key(name));
            let mut sent = sent.borrow_mut();
            sent.settings = settings::without_unset(settings::SERVICE, &merged(&live, &update.settings));
            let mut body = wire::update_body(&sent);
            if !update.version_sets.is_empty() {
                body.insert(VERSION_SETS.to_owned(), Value::Object(with_updated_sets(sets, update)));
            }
            Ok(Some(body))
        };
        let Some(answered) = self.send_update(id, update.name.is_none(), body).await? else {
            return Ok(());
        };
        let unapplied = find_unapplied(&sent.borrow(), &self.parse_service(id, answered)?);
        if unapplied.is_empty() {
            return Ok(());
        }
        let message =
            format!("the server accepted the update but did not apply all of it: {}", describe(&unapplied));
        Err(self.not_applied_error(id, message).hint(
            "the API ignores fields that it does not know or can't clear: change these fields in the vendor's console, or remove them from the manifest",
        ))
    }

    async fn delete_service(&self, id: &ServiceId) -> Result<(), ApiError> {
        let call = Call::new(Endpoint::DeleteService, Method::DELETE, self.service_path(id), None);
        match self.client.call_unit(&call).await {
            Err(error) if error.status() == Some(404) => Ok(()),
            result => result,
        }
    }

    async fn write_version_set(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
        content: &VersionSet,
    ) -> Result<(), ApiError> {
        let lock = self.lock(id);
        let _guard = lock.lock().await;
        let body = json!({ "version_set": wire::version_set_body(content) });
        let path = format!("{}/version-sets/{}", self.service_path(id), segment(name.as_str()));
        let call = Call::new(Endpoint::WriteVersionSet, Method::PUT, path, Some(body));
        self.client.call_unit(&call).await
    }

    /// Deletes a version set. Sends an update with all other version sets, because the API has no request for deleting
    /// a single version set. The answer shows whether the server applied the update.
    async fn delete_version_set(&self, id: &ServiceId, name: &VersionSetName) -> Result<(), ApiError> {
        let lock = self.lock(id);
        let _guard = lock.lock().await;
        let body = async || {
            let mut service = match self.get_unchanged(id).await {
                Err(error) if error.status() == Some(404) => return Ok(None),
                result => result?,
            };
            let mut sets = take_version_sets(&mut service);
            let existed = sets.remove(name.as_str()).is_some();
            Ok(existed.then(|| RawService::from_iter([(VERSION_SETS.to_owned(), Value::Object(sets))])))
        };
        let Some(mut answered) = self.send_update(id, true, body).await? else { return Ok(()) };
        if !take_version_sets(&mut answered).contains_key(name.as_str()) {
            return Ok(());
        }
        let message = format!(
            "version set `{name}` was not deleted: the API has no request that deletes one, and an update without this version set had no effect"
        );
        Err(self.not_applied_error(id, message).hint(
            "remove the version set in the vendor's console, or add its name to `unmanaged_version_sets`",
        ))
    }

    async fn apply_behavior_set(&self, id: &BehaviorSetId, _: &ServiceId) -> Result<(), ApiError> {
        Err(ApiError::setup(format!(
            "behavior set {id} can't be applied: the Platform API has no behavior sets"
        )))
    }

    async fn converse(&self, id: &ServiceId, test: &SmokeTest) -> Result<String, ApiError> {
        let body = turn::turn_body(test, &self.phone_number)?;
        // The server keeps one conversation for each phone number and service, so only one test of a service can run at
        // a time.
        let lock = self.lock(id);
        let _guard = lock.lock().await;
        turn::take_turn(&self.client, &self.service_path(id), body).await
    }

    async fn reserve(&self, endpoint: Endpoint, count: u32) -> Result<Arc<Reservation>, ApiError> {
        self.client.reserve(endpoint, count).await
    }
}
