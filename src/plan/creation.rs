//! Collects the content of a service that a plan creates.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::changes::{Field, FieldChange, ServiceChanges, VersionSetChange, VersionSetField};
use super::diff::{self, tag_value};
use super::types::{Action, Plan, ServicePlan};
use crate::model::{Api, NewService, VersionSet, VersionSetName, without_origin};

/// Returns the content of a service that a plan creates, as changes from null to each value. `active` is included only
/// if it is false, and the key terms only if there are any.
pub fn created_content(plan: &Plan, service: &ServicePlan, api: Api) -> ServiceChanges {
    let mut content = ServiceChanges::default();
    if let Some((agent, graph)) = &service.joins {
        content.fields.push(added(Field::Agent, json!(agent)));
        content.fields.push(added(Field::ContextGraph, json!(graph)));
    }
    for step in plan.steps_of(service) {
        match &step.action {
            Action::Create(new) => {
                content.fields.extend(fields(new));
                let sets = new.version_sets.iter();
                content.version_sets.extend(sets.filter_map(|(name, set)| created_set(name, set)));
                // The server creates `release` with the service even if none is sent.
                if new.version_sets.is_empty() && api.makes_version_sets() {
                    let release = VersionSetName::new(VersionSetName::RELEASE);
                    content.version_sets.extend(created_set(&release, &VersionSet::latest()));
                }
            }
            Action::WriteVersionSet { name, content: set, .. } => {
                content.version_sets.extend(created_set(name, set));
            }
            _ => {}
        }
    }
    content
}

fn added(field: Field, value: Value) -> FieldChange {
    FieldChange::new(field, Value::Null, value)
}

fn fields(new: &NewService) -> Vec<FieldChange> {
    let mut fields = vec![added(Field::Description, json!(new.description))];
    if !new.active {
        fields.push(added(Field::Active, json!(false)));
    }
    fields.extend(
        without_origin(&new.tags).map(|(key, value)| added(Field::Tag(key.clone()), tag_value(Some(value)))),
    );
    if !new.keyterms.is_empty() {
        fields.push(added(Field::Keyterms, json!(new.keyterms)));
    }
    let settings = new.settings.iter();
    fields.extend(settings.map(|(name, value)| added(Field::Setting(vec![name.clone()]), value.clone())));
    fields
}

/// Returns the change that creates a version set. In each model preference, the name of the model comes first. Returns
/// `None` if the version set has no values.
fn created_set(name: &VersionSetName, set: &VersionSet) -> Option<VersionSetChange> {
    let mut change = diff::version_set(name, None, Some(set))?;
    change.fields.sort_by_key(|change| match &change.field {
        VersionSetField::Preference(names) => {
            let member = names.get(1).map_or("", String::as_str);
            Some((names.first().cloned(), member != "llm_name", Reverse(member.to_owned())))
        }
        _ => None,
    });
    Some(change)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::LlmPreference;
    use crate::plan::tests::build::*;

    #[test]
    fn a_new_service_has_all_of_its_content_in_one_order() {
        let mut new = wanted("New", "A1");
        new.active = Some(false);
        new.tags = Some([("a.b".to_owned(), None), ("tier".to_owned(), Some("gold".to_owned()))].into());
        new.keyterms = Some(vec!["insulin".to_owned()]);
        new.version_sets = sets(&[("staging", 2, 0)]);
        let plan = plan_and_verify(&desired([new]), &snapshot([]), &options());
        let content = created_content(&plan, &plan.services[0], Api::Classic);
        let shown: Vec<String> =
            content.values().map(|change| format!("{}: {}", change.path, change.after)).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        agent: "A1"
        context_graph: "G1"
        description: "The service New"
        active: false
        tags.a.b: ""
        tags.managed_by: "amigops"
        tags.tier: "gold"
        keyterms: ["insulin"]
        version_sets.release.agent_version: "latest"
        version_sets.release.context_graph_version: "latest"
        version_sets.staging.agent_version: 2
        version_sets.staging.context_graph_version: "latest"
        "#);
        assert!(content.values().all(|change| change.before.is_null()));
    }

    #[test]
    fn the_model_comes_first_in_a_preference() {
        let values = |value: Value| value.as_object().cloned().unwrap_or_default();
        let preference = LlmPreference {
            llm_name: "m-1".to_owned(),
            params: values(json!({"temperature": 0.2})),
            experience_controls: values(json!({"style": "calm"})),
            carried: values(json!({})),
        };
        let mut set = live_set(1, 1);
        set.llm_model_preferences = ["A", "B"].map(|name| (name.to_owned(), preference.clone())).into();
        let change = created_set(&"staging".into(), &set).expect("a new set is a change");
        let paths: Vec<String> =
            change.fields.iter().skip(2).map(|change| change.field.to_string()).collect();
        let of = |interaction: &str| {
            ["llm_name", "params.temperature", "experience_controls.style"]
                .map(|name| format!("llm_model_preferences.{interaction}.{name}"))
        };
        assert_eq!(paths, [of("A"), of("B")].concat());
    }
}
