//! A service's `lifecycle` and `smoke`. Imports `model`.

use std::collections::BTreeSet;

use super::decode::{self, Fields, Shape, or_suggestion};
use super::diagnostic::Code;
use super::service::{Rules, not_yet};
use super::settings;
use super::sink::{Problem, Sink, Span};
use super::tree::{Node, shortened};
use crate::model::settings::SERVICE;
use crate::model::{
    Api, FieldPath, Lifecycle, OnAgentChange, Retire, ServiceName, SmokeTest, VersionSetName, did_you_mean,
};

pub(super) const SHAPE: Shape = Shape {
    what: "`lifecycle`",
    keys: &["renamed_from", "on_agent_change", "retire", "prevent_removal", "ignore"],
    help: "",
};
pub(super) const SMOKE: Shape =
    Shape { what: "a smoke test", keys: &["version_set", "say", "expect", "gate"], help: "" };
/// The fields that can be ignored as a whole.
const IGNORABLE: &[&str] =
    &["description", "active", "keyterms", "agent", "context_graph", "tags", "version_sets"];
/// The most characters of a text turn on the Platform API.
const MAX_TURN: usize = 8_192;
/// The fields of a version set that can be ignored.
const SET_FIELDS: &[&str] = &["agent_version", "context_graph_version", "llm_model_preferences"];

/// Reads `lifecycle`, and tells where `renamed_from` stands.
pub(super) fn decode(sink: &mut Sink, node: &Node, rules: &Rules<'_>) -> (Lifecycle, Option<Span>) {
    let Some(fields) = Fields::open(sink, node, &SHAPE) else { return (Lifecycle::default(), None) };
    let renamed_from = fields
        .get(sink, "renamed_from")
        .and_then(|node| Some((ServiceName::new(decode::name(sink, node, "`renamed_from`")?), node.span)));
    let on_agent_change = fields.get(sink, "on_agent_change").and_then(|node| {
        match decode::word(sink, node, "`on_agent_change`", &["replace", "update"])? {
            "replace" => Some(OnAgentChange::Replace),
            _ => Some(OnAgentChange::Update),
        }
    });
    let retire = fields.get(sink, "retire").and_then(|node| retire(sink, node, rules)).unwrap_or_default();
    let prevent_removal = fields.get(sink, "prevent_removal").and_then(|node| decode::boolean(sink, node));
    let ignore = fields.get(sink, "ignore").map(|node| ignore(sink, node)).unwrap_or_default();
    let span = renamed_from.as_ref().map(|(_, span)| *span);
    let lifecycle = Lifecycle {
        renamed_from: renamed_from.map(|(name, _)| name),
        on_agent_change,
        retire,
        prevent_removal: prevent_removal.unwrap_or_default(),
        ignore,
    };
    (lifecycle, span)
}

/// Reads `retire`, whichever API it is for.
pub(super) fn retire_word(sink: &mut Sink, node: &Node) -> Option<Retire> {
    Some(match decode::word(sink, node, "`retire`", &["deactivate", "keep", "delete"])? {
        "keep" => Retire::Keep,
        "delete" => Retire::Delete,
        _ => Retire::Deactivate,
    })
}

fn retire(sink: &mut Sink, node: &Node, rules: &Rules<'_>) -> Option<Retire> {
    match retire_word(sink, node)? {
        Retire::Delete if !rules.api.deletes_services() => {
            sink.push(
                Problem::error(Code::PlatformOnly, node.span, "services can't be deleted on the Classic API")
                    .label("write `deactivate` or `keep`")
                    .help("only the Platform API deletes services"),
            );
            None
        }
        how => Some(how),
    }
}

/// Platform's settings are known on Classic, too: to ignore what isn't there does no harm, and one list
/// can serve both APIs.
fn ignore(sink: &mut Sink, node: &Node) -> BTreeSet<FieldPath> {
    let mut paths = BTreeSet::new();
    for (text, span) in decode::texts(sink, node, "fields to leave alone") {
        let parts: Vec<&str> = text.split('.').collect();
        let known = match parts.as_slice() {
            [field] => IGNORABLE.contains(field),
            ["tags", key] => !key.is_empty(),
            ["version_sets", name] => !name.is_empty(),
            ["version_sets", name, field] => !name.is_empty() && SET_FIELDS.contains(field),
            _ => false,
        };
        let known = known || settings::check_path(&parts).is_ok();
        if known {
            paths.insert(FieldPath(parts.into_iter().map(str::to_owned).collect()));
        } else {
            sink.push(bad_path(span, text, &parts));
        }
    }
    paths
}

fn bad_path(span: Span, text: &str, parts: &[&str]) -> Problem {
    let suggestion = match parts {
        [first, ..] if settings::is_setting(first) => settings::check_path(parts).err().flatten(),
        [first, rest @ ..] if !IGNORABLE.contains(first) => {
            let all = IGNORABLE.iter().copied().chain(SERVICE.iter().map(|field| field.name));
            did_you_mean(first, all).map(|known| [&[known], rest].concat().join("."))
        }
        ["version_sets", name, field] => did_you_mean(field, SET_FIELDS.iter().copied())
            .map(|known| format!("version_sets.{name}.{known}")),
        _ => None,
    };
    Problem::error(Code::BadFieldPath, span, format!("`{}` is no field that can be ignored", shortened(text)))
        .label(or_suggestion(suggestion.as_deref(), "not a field of a service"))
        .help(
            "known are description, active, keyterms, agent, context_graph, tags, tags.KEY, version_sets, \
             version_sets.NAME, version_sets.NAME with agent_version, context_graph_version or \
             llm_model_preferences below it, and the Platform API's settings at any depth, such as \
             voice_config.max_response_words",
        )
}

/// Reads `smoke`. `declared` are the service's version sets, none where they are unmanaged.
pub(super) fn smoke(
    sink: &mut Sink,
    node: &Node,
    rules: &Rules<'_>,
    declared: Option<&BTreeSet<&str>>,
) -> Vec<SmokeTest> {
    let Some(items) = decode::list(sink, node, "smoke tests") else { return Vec::new() };
    items.iter().filter_map(|item| smoke_test(sink, item, rules, declared)).collect()
}

fn smoke_test(
    sink: &mut Sink,
    node: &Node,
    rules: &Rules<'_>,
    declared: Option<&BTreeSet<&str>>,
) -> Option<SmokeTest> {
    let fields = Fields::open(sink, node, &SMOKE)?;
    let version_set = match fields.get(sink, "version_set") {
        Some(node) => smoke_set(sink, node, rules, declared)?,
        None => VersionSetName::new(VersionSetName::RELEASE),
    };
    let say = fields.get(sink, "say").and_then(|node| decode::prose(sink, node, "`say`"));
    let run = rules.api == Api::Classic || is_turn(sink, node, fields, &version_set, say);
    let expect = fields.get(sink, "expect").and_then(|node| {
        let text = decode::text(sink, node)?;
        if let Err(error) = regex::Regex::new(text) {
            sink.push(bad_regex(node.span, &error));
        }
        Some(text)
    });
    if let Some(node) = fields.get(sink, "gate")
        && decode::boolean(sink, node) == Some(true)
    {
        sink.push(not_yet(node.span, "`gate: true`"));
    }
    let test = SmokeTest { version_set, say: say.map(str::to_owned), expect: expect.map(str::to_owned) };
    run.then_some(test)
}

/// Whether the Platform API can hold this conversation. What it can't hold is left out with a warning, so
/// that one manifest serves both APIs.
fn is_turn(
    sink: &mut Sink,
    node: &Node,
    fields: Fields<'_>,
    version_set: &VersionSetName,
    say: Option<&str>,
) -> bool {
    let first = fields.map.entries.first().map_or(node.span, |(key, _)| key.span);
    let at = |name: &str| fields.raw(name).map_or(first, |node| node.span);
    let too_long = say.is_some_and(|say| say.chars().count() > MAX_TURN);
    let (span, message, label) = if !version_set.is_release() {
        let message = "the Platform API talks to what is live: this smoke test is not run there";
        (at("version_set"), message, "a conversation there can't name a version set")
    } else if say.is_none() && fields.raw("say").is_none() {
        let message = "the Platform API answers, it doesn't speak first: this smoke test is not run there";
        (first, message, "it has no `say`")
    } else if too_long {
        let message = "the Platform API takes 8192 characters a turn: this smoke test is not run there";
        (at("say"), message, "too long")
    } else {
        return true;
    };
    sink.push(Problem::warning(Code::SmokeNotRun, span, message).label(label));
    false
}

fn smoke_set(
    sink: &mut Sink,
    node: &Node,
    rules: &Rules<'_>,
    declared: Option<&BTreeSet<&str>>,
) -> Option<VersionSetName> {
    let text = decode::name(sink, node, "a version set's name")?;
    if !super::version_set::check_name(sink, text, node.span, rules.api) {
        return None;
    }
    let name = VersionSetName::new(text);
    let known = name.is_release()
        || name.is_edge()
        || rules.policy.is_unmanaged(&name)
        || declared.is_none_or(|declared| declared.contains(text));
    if !known {
        let others = declared.into_iter().flatten().copied();
        let message = format!("this service declares no version set `{name}`");
        let label = or_suggestion(did_you_mean(text, others), "there would be nobody to talk to");
        sink.push(Problem::error(Code::UnknownVersionSet, node.span, message).label(label));
    }
    Some(name)
}

fn bad_regex(span: Span, error: &regex::Error) -> Problem {
    let problem = Problem::error(Code::BadRegex, span, "`expect` isn't a regular expression");
    match error {
        regex::Error::CompiledTooBig(_) => problem.label("it is too large"),
        // The crate's message draws its own picture; its last line says what is wrong.
        other => {
            let text = other.to_string();
            let reason = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            problem.label(reason.to_owned())
        }
    }
}
