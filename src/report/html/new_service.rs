//! The values of a new service, in the form in which its card lists them.

use serde_json::{Value, json};

use super::super::Mode;
use super::super::values::tag_text;
use super::super::version_sets::pins;
use super::values::Leaf;
use crate::model::VersionSetName;
use crate::plan::{Field, FieldChange, ServiceChanges, VersionSetField};

/// The content of a new service, prepared for its card on the HTML page.
#[derive(Default)]
pub(super) struct NewServiceValues {
    mode: Mode,
    content: ServiceChanges,
    /// A JSON list with one string for each tag. `None` if there are no tags.
    tags: Option<Value>,
    /// The path of each version set, and a string that describes the pins of that version set.
    pins: Vec<(String, Value)>,
}

impl NewServiceValues {
    /// Prepares the content of a new service for its card on the HTML page.
    pub(super) fn of(mode: Mode, content: ServiceChanges) -> Self {
        let tags: Vec<String> = content.fields.iter().filter_map(tag).collect();
        let pins = content.version_sets.iter().map(|set| (set.path(), Value::from(pins(set)))).collect();
        Self { tags: (!tags.is_empty()).then(|| json!(tags)), pins, mode, content }
    }

    /// Returns the values in this order: fields that are neither tags nor settings, tags, settings, pins. Omits model
    /// preferences.
    pub(super) fn leaves(&self) -> impl Iterator<Item = Leaf<'_>> {
        let fields = || self.content.fields.iter();
        let is_setting = |change: &&FieldChange| matches!(change.field, Field::Setting(_));
        let is_other =
            move |change: &&FieldChange| !is_setting(change) && !matches!(change.field, Field::Tag(_));
        let tags = self.tags.iter().map(|tags| ("tags".to_owned(), tags));
        let pins = self.pins.iter().map(|(path, pins)| (path.clone(), pins));
        fields()
            .filter(is_other)
            .flat_map(Leaf::of_field)
            .chain(tags.flat_map(|(path, value)| Leaf::of_whole_value(self.mode, path, value)))
            .chain(fields().filter(is_setting).flat_map(Leaf::of_field))
            .chain(pins.flat_map(|(path, value)| Leaf::of_whole_value(self.mode, path, value)))
    }

    /// Returns the model preferences of each version set that has at least one preference.
    pub(super) fn preferences(&self) -> Vec<(&VersionSetName, Vec<Leaf<'_>>)> {
        let is_preference = |change: &&FieldChange<_>| matches!(change.field, VersionSetField::Preference(_));
        let sets = self.content.version_sets.iter().map(|set| {
            let preferences = set.fields.iter().filter(is_preference);
            (&set.name, preferences.flat_map(Leaf::of_set_field).collect::<Vec<_>>())
        });
        sets.filter(|(_, leaves)| !leaves.is_empty()).collect()
    }
}

fn tag(change: &FieldChange) -> Option<String> {
    let Field::Tag(key) = &change.field else { return None };
    Some(tag_text(key, change.only_value()))
}
