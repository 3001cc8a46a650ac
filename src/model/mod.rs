//! The shared data types: ids, the desired state, the live state, and the project's rules.
//!
//! This module has no I/O, no clock and no async code. So comparing, sorting and printing values of these types gives
//! the same result in every run.

mod api;
mod catalog;
mod characters;
mod desired;
mod endpoint;
mod ids;
mod live;
mod mask;
mod normal;
mod origin;
mod policy;
mod readings;
pub mod settings;
mod suggest;
mod version_set;
mod write;

pub use api::Api;
pub use catalog::{Catalog, CatalogEntry, LatestVersion};
pub use characters::{code_point, forbidden_in_name, is_hidden, is_same_name, nfc};
pub use desired::{
    Desired, DesiredPreference, DesiredService, DesiredVersionSet, FieldPath, Lifecycle, OnAgentChange,
    Place, Reference, Retire, SmokeTest,
};
pub use endpoint::Endpoint;
pub use ids::{AgentId, BehaviorSetId, ContextGraphId, ServiceId, ServiceName, VersionSetName};
pub use live::{BehaviorSet, LiveService, Lookups, Need, Snapshot};
pub use mask::Secrets;
pub use normal::{merged, patch, same_json, trimmed};
pub use origin::{NameHash, OriginTag, TAG_ORIGIN, without_origin};
pub use policy::{
    Guardrails, MaxRemovals, Ownership, Policy, TAG_PROTECTED, TAG_REPLACES, VersionSetPatterns,
};
pub use readings::{merge_readings, only_in_first};
pub use suggest::did_you_mean;
pub use version_set::{LlmPreference, Pin, VersionSet};
pub use write::{NewService, ServiceUpdate};
