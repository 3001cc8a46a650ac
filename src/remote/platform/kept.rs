//! What an update was told and did not do. May import `model` only.
//!
//! The API leaves nulls out and takes no notice of what it does not want to change, and says 200 all the same;
//! but it answers with the whole service, which tells.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::wire::neat;
use super::wire;
use crate::model::settings::{Field, Kind, SERVICE, field, normal};
use crate::model::{LiveService, ServiceUpdate, VersionSet, same_json};

/// A field that the server kept, and as what.
#[derive(Debug, PartialEq)]
pub(super) struct Kept {
    path: String,
    value: Value,
}

/// The most fields that a message names.
const MOST_NAMED: usize = 5;
/// The most characters of a value that a message repeats.
const MOST_SHOWN: usize = 60;

/// The fields of an update that the answered service does not have as they were sent.
///
/// Descriptions and key terms are not held against the answer: servers tidy texts up, and reading back after
/// an apply tells what became of them.
pub(super) fn kept(update: &ServiceUpdate, answer: &LiveService) -> Vec<Kept> {
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
    let mut hold = |path: &str, sent: Option<Value>, value: Value| {
        if sent.is_some_and(|sent| sent != value) {
            found.push(Kept { path: path.to_owned(), value });
        }
    };
    hold("name", name.as_ref().map(|name| json!(name)), json!(answer.name));
    hold("is_active", active.map(|active| json!(active)), json!(answer.active));
    hold("agent_id", agent.as_ref().map(|id| json!(id)), json!(answer.agent));
    hold("context_graph_id", context_graph.as_ref().map(|id| json!(id)), json!(answer.context_graph));
    hold("tags", tags.as_ref().map(|tags| json!(neat_tags(tags))), json!(answer.tags));
    for (name, sent) in version_sets {
        let path = format!("version_sets.{name}");
        match answer.version_sets.get(name) {
            None => found.push(Kept { path, value: Value::Null }),
            Some(answered) => {
                let (sent, answered) = (wire::version_set_body(sent), comparable(answered, sent));
                differences(&Kind::Any, &path, &sent, &answered, &mut found);
            }
        }
    }
    let known: Vec<&Field> = settings.keys().filter_map(|name| field(SERVICE, name)).collect();
    let (sent, answered) = (normal(SERVICE, settings), normal(SERVICE, &answer.settings));
    for Field { name, kind, .. } in known {
        // Null, where it was sent, asks for nothing to be there: normal form has the default there, if any.
        let value = |values: &Map<String, Value>| values.get(*name).cloned().unwrap_or_default();
        differences(kind, name, &value(&sent), &value(&answered), &mut found);
    }
    found
}

fn neat_tags(tags: &BTreeMap<String, Option<String>>) -> BTreeMap<String, Option<String>> {
    tags.iter().map(|(key, value)| (neat(key), value.as_deref().map(neat))).collect()
}

/// An answered version set as it would be written, without what the server added of its own accord.
fn comparable(answered: &VersionSet, sent: &VersionSet) -> Value {
    let mut set = answered.clone();
    set.carried.retain(|key, _| sent.carried.contains_key(key));
    for (interaction, preference) in &mut set.llm_model_preferences {
        let sent = sent.llm_model_preferences.get(interaction);
        preference.carried.retain(|key, _| sent.is_some_and(|sent| sent.carried.contains_key(key)));
    }
    wire::version_set_body(&set)
}

/// The places at which two values differ, as deep as possible. Of objects with known fields, an unknown member
/// that only the answer has is the server's own.
fn differences(kind: &Kind, path: &str, sent: &Value, answered: &Value, found: &mut Vec<Kept>) {
    if same_json(sent, answered) {
        return;
    }
    let (Value::Object(members), Value::Object(theirs)) = (sent, answered) else {
        found.push(Kept { path: path.to_owned(), value: answered.clone() });
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
        differences(kind, &format!("{path}.{name}"), &value(members), &value(theirs), found);
    }
}

/// What the server kept, in words: `` `a.b` as 3, `c` as nothing ``.
pub(super) fn in_words(kept: &[Kept]) -> String {
    let one = |kept: &Kept| match &kept.value {
        Value::Null => format!("`{}` as nothing", kept.path),
        value => {
            let text = value.to_string();
            let shown: String = text.chars().take(MOST_SHOWN).collect();
            let rest = if shown.len() < text.len() { "…" } else { "" };
            format!("`{}` as {shown}{rest}", kept.path)
        }
    };
    let mut words: Vec<String> = kept.iter().take(MOST_NAMED).map(one).collect();
    if kept.len() > MOST_NAMED {
        words.push(format!("and {} more", kept.len() - MOST_NAMED));
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
    fn what_was_taken_over_is_no_news() {
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
            assert_eq!(kept(&update, &answer(json!({}))), [], "{update:?}");
        }
    }

    #[test]
    fn what_was_kept_is_told_at_its_leaf() {
        let words = |update: &ServiceUpdate| in_words(&kept(update, &answer(json!({}))));
        let table = [
            (settings(json!({"tool_capacity": 5})), "`tool_capacity` as 3"),
            (settings(json!({"voice_config": {}})), "`voice_config.max_response_words` as 30"),
            (
                settings(json!({"voice_config": {"max_response_words": 20, "tts_model": "sonic-3"}})),
                "`voice_config.max_response_words` as 30, `voice_config.tts_model` as nothing",
            ),
            (
                settings(json!({"escalation_policy": {"risk_scorer": {"type": "hangup"}}})),
                "`escalation_policy.risk_scorer.type` as \"operator\"",
            ),
            (
                release(
                    json!({"agent_version_number": 3, "llm_model_preferences": {"E": {"llm_name": "m"}}}),
                ),
                "`version_sets.release.agent_version_number` as 2, \
                 `version_sets.release.llm_model_preferences.E.experience_controls` as {\"verbosity\":\"low\"}, \
                 `version_sets.release.llm_model_preferences.E.params.x` as 1",
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
                "`name` as \"Coach\", `is_active` as true, `agent_id` as \"a\", `context_graph_id` as \"g\", \
                 `tags` as {\"team\":\"care\"}",
            ),
        ];
        for (update, expected) in table {
            assert_eq!(words(&update), expected);
        }
        let cleared = kept(&settings(json!({"voice_config": null})), &answer(json!({})));
        assert_eq!(cleared.iter().map(|kept| kept.path.as_str()).collect::<Vec<_>>(), ["voice_config"]);
        let mut lost = release(json!({}));
        lost.version_sets.insert("staging".into(), VersionSet::latest());
        assert!(words(&lost).contains("`version_sets.staging` as nothing"));
    }

    #[test]
    fn long_lists_and_values_are_folded() {
        let many: Vec<Kept> =
            (0..7).map(|n| Kept { path: n.to_string(), value: json!("ä".repeat(99)) }).collect();
        let words = in_words(&many);
        assert!(words.ends_with("and 2 more") && words.contains("ä…"), "{words}");
    }
}
