//! The Platform API: paths, partial updates that are held to their word, and our words for its answers.
//! May import `model` only.

mod kept;
mod turn;
mod wire;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::access::Access;
use super::body::unreadable;
use super::failure::{ApiError, Cause};
use super::http::{Call, Http, segment};
use super::limits::Reservation;
use super::pages::{Versioned, enter, page};
use super::wire::Named;
use super::{Listing, ReadApi, ServiceList, WriteApi};
use crate::model::{
    AgentId, Api, BehaviorSet, BehaviorSetId, Catalog, ContextGraphId, Endpoint, LatestVersion, LiveService,
    Need, NewService, ServiceId, ServiceUpdate, SmokeTest, VersionSet, VersionSetName, merged, settings,
};

/// The page of services that older servers allow.
const SMALL_PAGE: usize = 20;
/// Up to so many agents or context graphs are read one by one; more, as the whole list.
const ONE_BY_ONE: usize = 5;
/// The field of a service that holds its version sets.
const VERSION_SETS: &str = "version_sets";

/// A service as it was answered, unknown fields included.
type Raw = Map<String, Value>;

/// Who holds the lock of which service.
type Locks = Arc<Mutex<BTreeMap<ServiceId, Arc<tokio::sync::Mutex<()>>>>>;

/// A connection to one workspace of the Platform API; clones share its limits.
#[derive(Clone, Debug)]
pub struct Platform {
    http: Http,
    /// The number that smoke tests speak from.
    phone_number: String,
    /// Whether the server refused large pages.
    small_pages: Arc<AtomicBool>,
    /// The map of version sets is read, changed and written whole: one change of a service at a time.
    locks: Locks,
    /// The state of a service that its next write was decided on.
    seen: Option<Arc<LiveService>>,
}

page!(Services, items, wire::Service);
page!(Catalogued, items, Named);
page!(Versions, items, Versioned);

impl Platform {
    /// The number that smoke tests speak from where none is given: one of those that belong to nobody.
    pub const PHONE_NUMBER: &'static str = "+12025550100";

    /// Prepares a connection; nothing is sent yet. Smoke tests speak from `phone_number` (E.164), or from
    /// [`Self::PHONE_NUMBER`].
    ///
    /// # Errors
    ///
    /// An address to which credentials must not be sent, credentials of the other API, or a machine on which
    /// TLS can't be set up.
    pub fn new(access: Access, phone_number: Option<String>) -> Result<Self, ApiError> {
        Ok(Self::with(Http::new(access, Api::Platform)?, phone_number))
    }

    /// A connection over another transport, for simulations.
    #[cfg(test)]
    pub(super) fn over(transport: super::transport::Transport, access: Access) -> Self {
        Self::with(Http::over(transport, access, Api::Platform), None)
    }

    fn with(http: Http, phone_number: Option<String>) -> Self {
        Self {
            http,
            phone_number: phone_number.unwrap_or_else(|| Self::PHONE_NUMBER.to_owned()),
            small_pages: Arc::default(),
            locks: Arc::default(),
            seen: None,
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/{}/{rest}", segment(&self.http.access.organization))
    }

    fn service_path(&self, id: &ServiceId) -> String {
        self.path(&format!("services/{}", segment(id.as_str())))
    }

    fn lock(&self, id: &ServiceId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(id.clone()).or_default())
    }

    /// Reads agents or context graphs: all pages, or some ids.
    async fn catalog<Id: Ord + Clone + AsRef<str> + for<'t> From<&'t str>>(
        &self,
        (list, one): (Endpoint, Endpoint),
        path: &str,
        need: &Need<Id>,
    ) -> Result<Catalog<Id>, ApiError> {
        let mut catalog = Catalog::default();
        match need {
            Need::Nothing => {}
            Need::Only(ids) if ids.len() <= ONE_BY_ONE => {
                for id in ids {
                    let path = format!("{path}/{}", segment(id.as_ref()));
                    match self.http.json(&Call::get(one, path, Vec::new())).await {
                        // Under the id that was asked for, whichever way the server spells it.
                        Ok(named) => enter(&mut catalog, vec![Named { id: id.as_ref().to_owned(), ..named }]),
                        Err(error) if error.status() == Some(404) => {
                            catalog.missing.insert(id.clone());
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Need::All | Need::Only(_) => {
                catalog.complete = true;
                let size = list.page_size(Api::Platform);
                enter(&mut catalog, self.http.pages::<Catalogued>(list, path, &[], size).await?);
            }
        }
        Ok(catalog)
    }

    /// Reads one service.
    async fn get(&self, id: &ServiceId) -> Result<Raw, ApiError> {
        self.http.json(&Call::get(Endpoint::GetService, self.service_path(id), Vec::new())).await
    }

    /// Reads one service that a write is made of, unless it is not as the write was decided on.
    async fn get_unmoved(&self, id: &ServiceId) -> Result<Raw, ApiError> {
        let there = self.get(id).await?;
        let Some(seen) = self.seen.as_deref().filter(|seen| seen.id == *id) else { return Ok(there) };
        if self.live(id, there.clone())? == *seen {
            return Ok(there);
        }
        let call = self.put_call(id, None);
        Err(ApiError::new(&call.method, &call.path, Cause::Moved, "the service is being changed by others"))
    }

    /// A service in our words.
    fn live(&self, id: &ServiceId, answered: Raw) -> Result<LiveService, ApiError> {
        let service: wire::Service = serde_json::from_value(Value::Object(answered))
            .map_err(|error| unreadable(&self.put_call(id, None), &error))?;
        Ok(service.into_live())
    }

    /// Sends a partial update, and gives the service as it is after that; none where there was nothing to send.
    ///
    /// `body` is made anew for each try: what it is made of may have changed since the last one.
    async fn put(
        &self,
        id: &ServiceId,
        repeatable: bool,
        body: impl AsyncFn() -> Result<Option<Raw>, ApiError>,
    ) -> Result<Option<Raw>, ApiError> {
        let make = async || {
            Ok(body().await?.map(|body| {
                let call = self.put_call(id, Some(Value::Object(body)));
                if repeatable { call } else { call.looked_up() }
            }))
        };
        let answered = self.http.remade(make, |body| serde_json::from_slice::<Value>(body)).await?;
        match answered {
            None => Ok(None),
            Some(Value::Object(service)) if service.contains_key("id") => Ok(Some(service)),
            // The answer should be the whole service; where it isn't, the service is read.
            Some(_) => {
                let read = self.to_the_end().get(id).await;
                read.map(Some).map_err(|error| ApiError { unsure: true, ..error })
            }
        }
    }

    fn put_call(&self, id: &ServiceId, body: Option<Value>) -> Call {
        Call::send(Endpoint::UpdateService, Method::PUT, self.service_path(id), body)
    }

    /// An error of an update that was accepted and not carried out.
    fn kept(&self, id: &ServiceId, message: String) -> ApiError {
        let call = self.put_call(id, None);
        ApiError::new(&call.method, &call.path, Cause::Kept, message)
    }
}

/// The version sets of a service, as they were answered.
fn raw_version_sets(service: &mut Raw) -> Raw {
    match service.remove(VERSION_SETS) {
        Some(Value::Object(sets)) => sets,
        _ => Raw::new(),
    }
}

/// These version sets, with those that an update writes.
fn with_sets(mut sets: Raw, update: &ServiceUpdate) -> Raw {
    for (name, set) in &update.version_sets {
        sets.insert(name.to_string(), wire::version_set_body(set));
    }
    sets
}

impl ReadApi for Platform {
    async fn list_services(&self, listing: Listing) -> Result<ServiceList, ApiError> {
        let (endpoint, path) = (Endpoint::ListServices, self.path("services"));
        loop {
            let small = self.small_pages.load(Ordering::Relaxed);
            let size = if small { SMALL_PAGE } else { endpoint.page_size(Api::Platform) };
            match self.http.read_pages::<Services>(endpoint, &path, &listing.filter(), size).await {
                Err(error) if !small && error.status() == Some(422) && error.message.contains("limit") => {
                    self.small_pages.store(true, Ordering::Relaxed);
                }
                reading => return Ok(ServiceList::new(listing, path, reading?, wire::Service::into_live)),
            }
        }
    }

    async fn service(&self, id: &ServiceId) -> Result<Option<LiveService>, ApiError> {
        let call = Call::get(Endpoint::GetService, self.service_path(id), Vec::new());
        match self.http.json::<wire::Service>(&call).await {
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
        self.catalog((Endpoint::ListAgents, Endpoint::GetAgent), &self.path("agents"), need).await
    }

    async fn context_graphs(&self, need: &Need<ContextGraphId>) -> Result<Catalog<ContextGraphId>, ApiError> {
        let endpoints = (Endpoint::ListContextGraphs, Endpoint::GetContextGraph);
        self.catalog(endpoints, &self.path("context-graphs"), need).await
    }

    async fn latest_agent_version(&self, id: &AgentId) -> Result<LatestVersion, ApiError> {
        let path = self.path(&format!("agents/{}/versions", segment(id.as_str())));
        self.http.newest::<Versions>(Endpoint::ListAgentVersions, path, ("sort_by", "-version")).await
    }

    async fn latest_context_graph_version(&self, id: &ContextGraphId) -> Result<LatestVersion, ApiError> {
        let path = self.path(&format!("context-graphs/{}/versions", segment(id.as_str())));
        let endpoint = Endpoint::ListContextGraphVersions;
        self.http.newest::<Versions>(endpoint, path, ("sort_by", "-version")).await
    }

    async fn behavior_sets(&self, _: &BTreeSet<ServiceId>) -> Result<Vec<BehaviorSet>, ApiError> {
        Ok(Vec::new())
    }

    async fn behavior_set(&self, _: &BehaviorSetId) -> Result<Option<BehaviorSet>, ApiError> {
        Ok(None)
    }
}

impl WriteApi for Platform {
    fn to_the_end(&self) -> Self {
        Self { http: self.http.to_the_end(), ..self.clone() }
    }

    fn until(&self, deadline: Instant) -> Self {
        Self { http: self.http.until(deadline), ..self.clone() }
    }

    fn once(&self) -> Self {
        Self { http: self.http.once(), ..self.clone() }
    }

    fn using(&self, reserved: &Arc<Reservation>) -> Self {
        Self { http: self.http.using(reserved), ..self.clone() }
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
        let call =
            Call::send(Endpoint::CreateService, Method::POST, self.path("services"), Some(body)).looked_up();
        let created: Created = self.http.json(&call).await?;
        Ok(ServiceId::new(created.id))
    }

    async fn update_service(&self, id: &ServiceId, update: &ServiceUpdate) -> Result<(), ApiError> {
        let lock = self.lock(id);
        let has_blocks = update.settings.values().any(Value::is_object);
        let is_made_of_live = has_blocks || !update.version_sets.is_empty();
        let _alone = if is_made_of_live { Some(lock.lock().await) } else { None };
        let sent = RefCell::new(update.clone());
        let body = async || {
            if !is_made_of_live {
                return Ok(Some(wire::update_body(update)));
            }
            // The server takes blocks and the map of sets for the whole: what is there goes along as it was
            // answered, so that nobody else's change is undone and nothing that is unknown here is destroyed.
            let mut there = self.get_unmoved(id).await?;
            let sets = raw_version_sets(&mut there);
            there.retain(|name, _| update.settings.contains_key(name));
            let mut sent = sent.borrow_mut();
            sent.settings = settings::without_unset(settings::SERVICE, &merged(&there, &update.settings));
            let mut body = wire::update_body(&sent);
            if !update.version_sets.is_empty() {
                body.insert(VERSION_SETS.to_owned(), Value::Object(with_sets(sets, update)));
            }
            Ok(Some(body))
        };
        let Some(answered) = self.put(id, update.name.is_none(), body).await? else {
            return Ok(());
        };
        let kept = kept::kept(&sent.borrow(), &self.live(id, answered)?);
        if kept.is_empty() {
            return Ok(());
        }
        let message = format!("the server accepted the update and kept {}", kept::in_words(&kept));
        Err(self.kept(id, message).hint(
            "the API takes no notice of what it can't clear or does not know: change it in the vendor's console, or leave it out of the manifest",
        ))
    }

    async fn delete_service(&self, id: &ServiceId) -> Result<(), ApiError> {
        let call = Call::send(Endpoint::DeleteService, Method::DELETE, self.service_path(id), None);
        match self.http.done(&call).await {
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
        let _alone = lock.lock().await;
        let body = json!({ "version_set": wire::version_set_body(content) });
        let path = format!("{}/version-sets/{}", self.service_path(id), segment(name.as_str()));
        let call = Call::send(Endpoint::WriteVersionSet, Method::PUT, path, Some(body));
        self.http.done(&call).await
    }

    /// There is no delete: the set is left out of an update of all of them, and the answer tells whether
    /// that had an effect.
    async fn delete_version_set(&self, id: &ServiceId, name: &VersionSetName) -> Result<(), ApiError> {
        let lock = self.lock(id);
        let _alone = lock.lock().await;
        let body = async || {
            let mut service = match self.get_unmoved(id).await {
                Err(error) if error.status() == Some(404) => return Ok(None),
                result => result?,
            };
            let mut sets = raw_version_sets(&mut service);
            let was_there = sets.remove(name.as_str()).is_some();
            Ok(was_there.then(|| Raw::from_iter([(VERSION_SETS.to_owned(), Value::Object(sets))])))
        };
        let Some(mut answered) = self.put(id, true, body).await? else { return Ok(()) };
        if !raw_version_sets(&mut answered).contains_key(name.as_str()) {
            return Ok(());
        }
        let message = format!(
            "the API kept version set `{name}`: it has no delete, and left it out of the update without effect"
        );
        Err(self
            .kept(id, message)
            .hint("remove it in the vendor's console, or declare it in `unmanaged_version_sets`"))
    }

    async fn apply_behavior_set(&self, id: &BehaviorSetId, _: &ServiceId) -> Result<(), ApiError> {
        Err(ApiError::setup(format!("behavior set {id} can't be applied: the Platform API has none")))
    }

    async fn converse(&self, id: &ServiceId, test: &SmokeTest) -> Result<String, ApiError> {
        turn::take(self, id, test).await
    }

    async fn reserve(&self, endpoint: Endpoint, count: u32) -> Result<Arc<Reservation>, ApiError> {
        self.http.reserve(endpoint, count).await
    }
}
