//! Decodes the keys `lifecycle` and `smoke` of a service.

use std::collections::BTreeSet;

use super::collector::{DiagnosticCollector, Problem, Span};
use super::decode::{self, Fields, Shape, or_suggestion};
use super::diagnostic::Code;
use super::rules::{Rules, not_yet};
use super::settings;
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
/// The fields of a service that `lifecycle.ignore` can name as a whole.
const IGNORABLE: &[&str] =
    &["description", "active", "keyterms", "agent", "context_graph", "tags", "version_sets"];
/// The maximum length of a message in a smoke test on the Platform API, in characters.
const MAX_TURN: usize = 8_192;
/// The fields of a version set that `lifecycle.ignore` can name.
const SET_FIELDS: &[&str] = &["agent_version", "context_graph_version", "llm_model_preferences"];

/// Decodes the key `lifecycle`. Returns its value, and the span of `renamed_from` if that is present.
pub(super) fn decode(
    problems: &mut DiagnosticCollector,
    node: &Node,
    rules: &Rules<'_>,
) -> (Lifecycle, Option<Span>) {
    let Some(fields) = Fields::open(problems, node, &SHAPE) else { return (Lifecycle::default(), None) };
    let renamed_from = fields.get(problems, "renamed_from").and_then(|node| {
        Some((ServiceName::new(decode::name(problems, node, "`renamed_from`")?), node.span))
    });
    let on_agent_change = fields.get(problems, "on_agent_change").and_then(|node| {
        match decode::word(problems, node, "`on_agent_change`", &["replace", "update"])? {
            "replace" => Some(OnAgentChange::Replace),
            _ => Some(OnAgentChange::Update),
        }
    });
    let retire =
        fields.get(problems, "retire").and_then(|node| retire(problems, node, rules)).unwrap_or_default();
    let prevent_removal =
        fields.get(problems, "prevent_removal").and_then(|node| decode::boolean(problems, node));
    let ignore = fields.get(problems, "ignore").map(|node| ignore(problems, node)).unwrap_or_default();
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

/// Decodes the key `lifecycle.retire`. Reports an unknown value, and returns `None` for it. Does not check that the API
/// supports the value.
pub(super) fn parse_retire(problems: &mut DiagnosticCollector, node: &Node) -> Option<Retire> {
    Some(match decode::word(problems, node, "`retire`", &["deactivate", "keep", "delete"])? {
        "keep" => Retire::Keep,
        "delete" => Retire::Delete,
        _ => Retire::Deactivate,
    })
}

fn retire(problems: &mut DiagnosticCollector, node: &Node, rules: &Rules<'_>) -> Option<Retire> {
    match parse_retire(problems, node)? {
        Retire::Delete if !rules.api.deletes_services() => {
            problems.push(
                Problem::error(Code::PlatformOnly, node.span, "services can't be deleted on the Classic API")
                    .label("use `deactivate` or `keep`")
                    .help("only the Platform API can delete services"),
            );
            None
        }
        how => Some(how),
    }
}

/// Decodes the key `lifecycle.ignore`. Accepts settings of the Platform API even on Classic, so that one list works for
/// both APIs.
fn ignore(problems: &mut DiagnosticCollector, node: &Node) -> BTreeSet<FieldPath> {
    let mut paths = BTreeSet::new();
    for (text, span) in decode::texts(problems, node, "fields to ignore") {
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
            problems.push(bad_path(span, text, &parts));
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
    Problem::error(
        Code::BadFieldPath,
        span,
        format!("`{}` is not a field that can be ignored", shortened(text)),
    )
    .label(or_suggestion(suggestion.as_deref(), "not a field of a service"))
    .help(
        "use description, active, keyterms, agent, context_graph, tags, tags.KEY, version_sets, \
                         version_sets.NAME, version_sets.NAME.FIELD (agent_version, context_graph_version or \
                         llm_model_preferences), or a Platform setting at any depth, such as \
                         voice_config.max_response_words",
    )
}

/// Decodes the key `smoke`. `declared` contains the names of the service's version sets, or is `None` if the manifest
/// has no `version_sets`.
pub(super) fn smoke(
    problems: &mut DiagnosticCollector,
    node: &Node,
    rules: &Rules<'_>,
    declared: Option<&BTreeSet<&str>>,
) -> Vec<SmokeTest> {
    let Some(items) = decode::list(problems, node, "smoke tests") else { return Vec::new() };
    items.iter().filter_map(|item| smoke_test(problems, item, rules, declared)).collect()
}

fn smoke_test(
    problems: &mut DiagnosticCollector,
    node: &Node,
    rules: &Rules<'_>,
    declared: Option<&BTreeSet<&str>>,
) -> Option<SmokeTest> {
    let fields = Fields::open(problems, node, &SMOKE)?;
    let version_set = match fields.get(problems, "version_set") {
        Some(node) => smoke_version_set(problems, node, rules, declared)?,
        None => VersionSetName::new(VersionSetName::RELEASE),
    };
    let say = fields.get(problems, "say").and_then(|node| decode::prose(problems, node, "`say`"));
    let run = rules.api == Api::Classic || can_run_on_platform(problems, node, fields, &version_set, say);
    let expect = fields.get(problems, "expect").and_then(|node| {
        let text = decode::text(problems, node)?;
        if let Err(error) = regex::Regex::new(text) {
            problems.push(bad_regex(node.span, &error));
        }
        Some(text)
    });
    if let Some(node) = fields.get(problems, "gate")
        && decode::boolean(problems, node) == Some(true)
    {
        problems.push(not_yet(node.span, "`gate: true`"));
    }
    let test = SmokeTest { version_set, say: say.map(str::to_owned), expect: expect.map(str::to_owned) };
    run.then_some(test)
}

/// Returns true if the Platform API can run a smoke test. Otherwise, reports only a warning that the test is skipped,
/// so that one manifest works for both APIs.
fn can_run_on_platform(
    problems: &mut DiagnosticCollector,
    node: &Node,
    fields: Fields<'_>,
    version_set: &VersionSetName,
    say: Option<&str>,
) -> bool {
    let first = fields.map.entries.first().map_or(node.span, |(key, _)| key.span);
    let at = |name: &str| fields.raw(name).map_or(first, |node| node.span);
    let too_long = say.is_some_and(|say| say.chars().count() > MAX_TURN);
    let (span, message, label) = if !version_set.is_release() {
        let message = "smoke test skipped: on the Platform API, a smoke test can only use `release`";
        (at("version_set"), message, "Platform conversations can't select a version set")
    } else if say.is_none() && fields.raw("say").is_none() {
        let message = "smoke test skipped: on the Platform API, the agent can't speak first";
        (first, message, "this smoke test has no `say`")
    } else if too_long {
        let message = "smoke test skipped: on the Platform API, a message has at most 8192 characters";
        (at("say"), message, "too long")
    } else {
        return true;
    };
    problems.push(Problem::warning(Code::SmokeNotRun, span, message).label(label));
    false
}

fn smoke_version_set(
    problems: &mut DiagnosticCollector,
    node: &Node,
    rules: &Rules<'_>,
    declared: Option<&BTreeSet<&str>>,
) -> Option<VersionSetName> {
    let text = decode::name(problems, node, "a version set's name")?;
    if !super::version_set::check_name(problems, text, node.span, rules.api) {
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
        let label = or_suggestion(did_you_mean(text, others), "declare the version set under `version_sets`");
        problems.push(Problem::error(Code::UnknownVersionSet, node.span, message).label(label));
    }
    Some(name)
}

fn bad_regex(span: Span, error: &regex::Error) -> Problem {
    let problem = Problem::error(Code::BadRegex, span, "`expect` is not a valid regular expression");
    match error {
        regex::Error::CompiledTooBig(_) => problem.label("the expression is too large"),
        // The message of the regex crate quotes the pattern first. Only its last line contains the reason.
        other => {
            let text = other.to_string();
            let reason = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            problem.label(reason.to_owned())
        }
    }
}
