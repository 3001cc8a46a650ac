//! Finds services that two runs created at the same time. The losing run marks its own service as abandoned, and
//! reports it.
//!
//! The APIs have no locks. They only refuse a second *active* service with the same name. Two runs could create the
//! same inactive service twice, so a run checks for duplicates after each create request.

use serde_json::json;

use super::context::StepContext;
use super::failure::{LiveChange, StepFailure};
use crate::model::{
    Api, LiveService, NewService, ServiceId, ServiceName, ServiceUpdate, TAG_ORIGIN, TAG_REPLACES,
};
use crate::plan::{ChangeRecord, without_date_and_id};
use crate::remote::WriteApi;

impl<A: WriteApi> StepContext<'_, A> {
    /// Checks that no other run has created the same service as this run. If another run has, marks this run's new
    /// service as abandoned.
    ///
    /// Only new inactive services need this check. The server refuses a second active service, and a cut-over finds
    /// other services that replace the same one. If two runs find each other's service, both services are abandoned,
    /// and the next run creates one.
    ///
    /// # Errors
    ///
    /// Fails if another run has created the same service.
    pub(super) async fn abort_if_duplicate(
        &self,
        new: &NewService,
        id: &ServiceId,
    ) -> Result<(), StepFailure> {
        if new.active || new.tags.contains_key(TAG_REPLACES) {
            return Ok(());
        }
        // If the list can't be read, the step still succeeds, because its service was created. The next plan reports a
        // duplicate.
        let list = self.service_list.list_services_shared(&self.uninterruptible).await;
        let Ok(services) = list else { return Ok(()) };
        let is_duplicate = |service: &&LiveService| {
            &service.id != id && service.name == new.name && !self.expected.borrow().was_planned(&service.id)
        };
        let Some(other) = services.iter().find(is_duplicate) else { return Ok(()) };
        self.abandon(id, &services).await.ok();
        Err(StepFailure::Duplicate { other: other.id.clone(), own: id.clone() })
    }

    /// Marks the duplicates of a new service as abandoned, if the request to create it was sent more than once. An
    /// earlier request may have been applied so late that the run did not find the service, and sent the request again.
    pub(super) async fn abandon_duplicates(&self, new: &NewService, id: &ServiceId) {
        let Ok(services) = self.uninterruptible.services_read_twice().await else { return };
        let created = self.created_ids();
        let is_duplicate = |service: &&LiveService| {
            self.may_be_created_from(new, service) && &service.id != id && !created.contains(&service.id)
        };
        for duplicate in services.iter().filter(is_duplicate) {
            self.abandon(&duplicate.id, &services).await.ok();
        }
    }

    /// Returns true if `service` may be the result of the request that creates `new`: it has the same values and tags,
    /// including the ownership tag, and did not exist when the plan was made. A service of another user with the same
    /// name does not count.
    pub(super) fn may_be_created_from(&self, new: &NewService, service: &LiveService) -> bool {
        service.name == new.name
            && service.active == new.active
            && service.agent == new.agent
            && service.context_graph == new.context_graph
            && service.tags.get(TAG_REPLACES) == new.tags.get(TAG_REPLACES)
            && new.tags.iter().all(|(key, value)| service.tags.get(key) == Some(value))
            && !self.expected.borrow().was_planned(&service.id)
    }

    /// Checks that no other run activated a service while this run marked it as abandoned. If another run did, the
    /// service is in use, so this function restores its name and its tags `replaces` and `origin`. A service that had a temporary
    /// name gets the name `final_name`.
    ///
    /// # Errors
    ///
    /// Fails if another run activated the service.
    pub(super) async fn restore_if_activated(
        &self,
        id: &ServiceId,
        final_name: &ServiceName,
    ) -> Result<(), StepFailure> {
        // If the service can't be read, nothing is restored. The next plan shows the service's state.
        let Ok(Some(now)) = self.uninterruptible.service(id).await else { return Ok(()) };
        let planned = self.expected.borrow().service(id).cloned();
        let Some(planned) = planned.filter(|planned| now.active && !planned.active) else { return Ok(()) };
        let mut tags = now.tags;
        // The abandonment has removed the one tag, and marked the other as former.
        for key in [TAG_REPLACES, TAG_ORIGIN] {
            if let Some(value) = planned.tags.get(key) {
                tags.insert(key.to_owned(), value.clone());
            }
        }
        // If the service had a temporary name, the other run gave it the final one.
        let had_temporary_name = without_date_and_id(&planned.name) != planned.name;
        let name = if had_temporary_name { final_name.clone() } else { planned.name.clone() };
        // Another service may have taken the name. Classic is certain to refuse a name in use only if the request
        // activates a service.
        let restore = ServiceUpdate {
            name: Some(name),
            active: (self.kind == Api::Classic).then_some(true),
            tags: Some(tags),
            ..ServiceUpdate::default()
        };
        self.update(&self.uninterruptible, id, &restore).await?;
        let change = Some(ChangeRecord::new("active", json!(false), json!(true)));
        let changes = vec![LiveChange { service: planned.name, id: id.clone(), change }];
        Err(StepFailure::ChangedSincePlan { changes, successor: None })
    }
}
