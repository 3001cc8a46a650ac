//! Finds the fields of an update that the server did not apply.
//!
//! The API may drop nulls and ignore fields, and still return status 200. But its answer is the whole service, so a
//! comparison with the update shows the fields that were not applied.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::wire::trim_text;
use super::wire;
use crate::model::settings::{Kind, SERVICE, SettingField, field, normal};
use crate::model::{LiveService, ServiceUpdate, VersionSet, same_json};

/// A field of an update that the server did not apply, and the field's value after the update.
#[derive(Debug, PartialEq)]
pub(super) struct UnappliedField {
    path: String,
    value: Value,
}

/// The maximum number of unapplied fields that a message lists.
const MAX_NAMED: usize = 5;
/// The maximum number of characters of a value that a message shows.
const MAX_SHOWN: usize = 60;

/// Returns the fields of an update that have another value in the server's answer.
///
/// Does not compare descriptions and key terms, because servers normalize these texts. The read-back after an apply
/// checks them.
pub(super) fn find_unapplied(update: &ServiceUpdate, answer: &LiveService) -> Vec<UnappliedField> {
    let ServiceUpdate {
        name,
        description: _,
        active,
        tags,
        keyterms: _,
        agent,
        context_graph,
        version_sets,
        settings,
    } = update;
    let mut found = Vec::new();
    let mut compare = |path: &str, sent: Option<Value>, value: Value| {
        if sent.is_some_and(|sent| sent != value) {
            found.push(UnappliedField { path: path.to_owned(), value });
        }
    };
    compare("name", name.as_ref().map(|name| json!(name)), json!(answer.name));
    compare("is_active", active.map(|active| json!(active)), json!(answer.active));
    compare("agent_id", agent.as_ref().map(|id| json!(id)), json!(answer.agent));
    compare("context_graph_id", context_graph.as_ref().map(|id| json!(id)), json!(answer.context_graph));
    compare("tags", tags.as_ref().map(|tags| json!(trim_tags(tags))), json!(answer.tags));
    for (name, sent) in version_sets {
        let path = format!("version_sets.{name}");
        match answer.version_sets.get(name) {
            None => found.push(UnappliedField { path, value: Value::Null }),
            Some(answered) => {
                let (sent, answered) = (wire::version_set_body(sent), comparable(answered, sent));
                collect_differences(&Kind::Any, &path, &sent, &answered, &mut found);
            }
        }
    }
    let known: Vec<&SettingField> = settings.keys().filter_map(|name| field(SERVICE, name)).collect();
    let (sent, answered) = (normal(SERVICE, settings), normal(SERVICE, &answer.settings));
    for SettingField { name, kind, .. } in known {
        // A null in the update clears the field. In the normal form, a cleared field has its default, if there is one.
        let value = |values: &Map<String, Value>| values.get(*name).cloned().unwrap_or_default();
        collect_differences(kind, name, &value(&sent), &value(&answered), &mut found);
    }
    found
}

fn trim_tags(tags: &BTreeMap<String, Option<String>>) -> BTreeMap<String, Option<String>> {
    tags.iter().map(|(key, value)| (trim_text(key), value.as_deref().map(trim_text))).collect()
}

/// Converts a version set of the answer into the JSON of a write, so that it can be compared with the version set that
/// was sent. Leaves out unknown fields that were not sent, because the server added them.
fn comparable(answered: &VersionSet, sent: &VersionSet) -> Value {
    let mut set = answered.clone();
    set.carried.retain(|key, _| sent.carried.contains_key(key));
    for (interaction, preference) in &mut set.llm_model_preferences {
        let sent = sent.llm_model_preferences.get(interaction);
        preference.carried.retain(|key, _| sent.is_some_and(|sent| sent.carried.contains_key(key)));
    }
    wire::version_set_body(&set)
}

/// Collects the deepest paths at which two values differ. In objects with known fields, ignores unknown fields that
/// only the answer has, because the server added them.
fn collect_differences(
    kind: &Kind,
    path: &str,
    sent: &Value,
    answered: &Value,
    found: &mut Vec<UnappliedField>,
) {
    if same_json(sent, answered) {
        return;
    }
    let (Value::Object(members), Value::Object(theirs)) = (sent, answered) else {
        found.push(UnappliedField { path: path.to_owned(), value: answered.clone() });
        return;
    };
    let names: BTreeSet<&String> = members.keys().chain(theirs.keys()).collect();
    for name in names {
        let kind = match kind {
            Kind::Object(fields) => match field(fields, name) {
                Some(field) => &field.kind,
                None if !members.contains_key(name) => continue,
                None => &Kind::Any,
            },
            Kind::Map { of, .. } => of,
            _ => &Kind::Any,
        };
        let value = |values: &Map<String, Value>| values.get(name).cloned().unwrap_or_default();
        collect_differences(kind, &format!("{path}.{name}"), &value(members), &value(theirs), found);
    }
}

/// Lists the fields with their values after the update, such as `` `a.b` is 3, `c` is not set ``.
pub(super) fn describe(fields: &[UnappliedField]) -> String {
    let one = |field: &UnappliedField| match &field.value {
        Value::Null => format!("`{}` is not set", field.path),
        value => {
            let text = value.to_string();
            let shown: String = text.chars().take(MAX_SHOWN).collect();
            let rest = if shown.len() < text.len() { "…" } else { "" };
            format!("`{}` is {shown}{rest}", field.path)
        }
    };
    let mut words: Vec<String> = fields.iter().take(MAX_NAMED).map(one).collect();
    if fields.len() > MAX_NAMED {
        words.push(format!("and {} more", fields.len() - MAX_NAMED));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(changes: Value) -> LiveService {
        let mut service = json!({
            "id": "s", "name": "Coach", "agent_id": "a", "context_graph_id": "g", "is_active": true,
            "tags": [{"key": "team", "value": "care"}], "tool_capacity": 3,
            "voice_config": {"filler_style": "backchannel", "backchannel_delay_ms": 400,
                "forward_call_enabled": false, "max_response_words": 30, "server_side": 1},
            "version_sets": {"release": {"agent_version_number": 2, "context_graph_version_number": null,
                "server_side": 1, "llm_model_preferences": {"E": {"llm_name": "m", "params": {"x": 1}, "server_side": 1,
                    "experience_controls": {"verbosity": "low", "seed": null}}}}},
        });
        if let (Some(service), Value::Object(changes)) = (service.as_object_mut(), changes) {
            service.extend(changes);
        }
        serde_json::from_value::<wire::Service>(service).expect("a service").into_live()
    }

    fn settings(value: Value) -> ServiceUpdate {
        let Value::Object(settings) = value else { panic!("no settings: {value}") };
        ServiceUpdate { settings, ..ServiceUpdate::default() }
    }

    fn release(value: Value) -> ServiceUpdate {
        let live = answer(json!({ "version_sets": Map::from_iter([("release".to_owned(), value)]) }));
        ServiceUpdate { version_sets: live.version_sets, ..ServiceUpdate::default() }
    }

    #[test]
    fn applied_updates_have_no_findings() {
        let preference =
            json!({"llm_name": "m", "params": {"x": 1.0}, "experience_controls": {"verbosity": "low"}});
        let updates = [
            ServiceUpdate::default(),
            settings(json!({"tool_capacity": 3.0, "channel_type": "voice", "escalation_policy": {}})),
            settings(json!({"voice_config": {"max_response_words": 30}})),
            settings(json!({"voice_config": {"max_response_words": 30, "tts_model": null}})),
            release(json!({"agent_version_number": 2, "llm_model_preferences": {"E": preference}})),
            ServiceUpdate {
                name: Some("Coach".into()),
                active: Some(true),
                agent: Some("a".into()),
                context_graph: Some("g".into()),
                tags: Some(BTreeMap::from([(" team ".to_owned(), Some("care ".to_owned()))])),
                ..ServiceUpdate::default()
            },
        ];
        for update in updates {
            assert_eq!(find_unapplied(&update, &answer(json!({}))), [], "{update:?}");
        }
    }

    #[test]
    fn unapplied_fields_are_named_by_their_full_path() {
        let words = |update: &ServiceUpdate| describe(&find_unapplied(update, &answer(json!({}))));
        let table = [
            (settings(json!({"tool_capacity": 5})), "`tool_capacity` is 3"),
            (settings(json!({"voice_config": {}})), "`voice_config.max_response_words` is 30"),
            (
                settings(json!({"voice_config": {"max_response_words": 20, "tts_model": "sonic-3"}})),
                "`voice_config.max_response_words` is 30, `voice_config.tts_model` is not set",
            ),
            (
                settings(json!({"escalation_policy": {"risk_scorer": {"type": "hangup"}}})),
                "`escalation_policy.risk_scorer.type` is \"operator\"",
            ),
            (
                release(
                    json!({"agent_version_number": 3, "llm_model_preferences": {"E": {"llm_name": "m"}}}),
                ),
                "`version_sets.release.agent_version_number` is 2, \
                 `version_sets.release.llm_model_preferences.E.experience_controls` is {\"verbosity\":\"low\"}, \
                 `version_sets.release.llm_model_preferences.E.params.x` is 1",
            ),
            (
                ServiceUpdate {
                    name: Some("New".into()),
                    active: Some(false),
                    agent: Some("b".into()),
                    context_graph: Some("h".into()),
                    tags: Some(BTreeMap::new()),
                    ..ServiceUpdate::default()
                },
                "`name` is \"Coach\", `is_active` is true, `agent_id` is \"a\", `context_graph_id` is \"g\", \
                 `tags` is {\"team\":\"care\"}",
            ),
        ];
        for (update, expected) in table {
            assert_eq!(words(&update), expected);
        }
        let cleared = find_unapplied(&settings(json!({"voice_config": null})), &answer(json!({})));
        assert_eq!(cleared.iter().map(|field| field.path.as_str()).collect::<Vec<_>>(), ["voice_config"]);
        let mut lost = release(json!({}));
        lost.version_sets.insert("staging".into(), VersionSet::latest());
        assert!(words(&lost).contains("`version_sets.staging` is not set"));
    }

    #[test]
    fn long_lists_and_values_are_cut() {
        let many: Vec<UnappliedField> =
            (0..7).map(|n| UnappliedField { path: n.to_string(), value: json!("ä".repeat(99)) }).collect();
        let words = describe(&many);
        assert!(words.ends_with("and 2 more") && words.contains("ä…"), "{words}");
    }
}
