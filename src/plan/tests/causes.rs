//! Tests of causes: each kind of field, with each combination of values in the base commit, in the manifests of this
//! branch, in the live state and in the base branch.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::build::*;
use super::generate::policy;
use crate::model::*;
use crate::plan::{self, BaseOf, Bases, Cause, Options, OriginBases, Plan, ServiceKind, Side};

/// A field of a service, with functions that set it to one of two or three numbered values.
struct Field {
    path: &'static str,
    api: Api,
    values: usize,
    wanted: fn(&mut DesiredService, usize),
    live: fn(&mut LiveService, usize),
    /// Removes the field from a manifest. `None` if a manifest must declare the field.
    undeclared: Option<fn(&mut DesiredService)>,
}

fn agent(n: usize) -> String {
    format!("A{}", n + 1)
}

fn text(n: usize) -> String {
    format!("Text {n}")
}

fn number(n: usize) -> u32 {
    n as u32 + 1
}

/// Returns the version set with this name in a manifest. Adds the version set if the manifest does not have it.
fn wanted_set<'a>(service: &'a mut DesiredService, name: &str) -> &'a mut DesiredVersionSet {
    service.version_sets.get_or_insert_default().entry(name.into()).or_default()
}

/// Returns the version set with this name in a live service. Adds the version set if the service does not have it.
fn live_set_of<'a>(service: &'a mut LiveService, name: &str) -> &'a mut VersionSet {
    service.version_sets.entry(name.into()).or_insert_with(|| live_set(0, 0))
}

fn set_wanted_preference(service: &mut DesiredService, model: &str, params: &Value) {
    let preference = DesiredPreference {
        llm_name: model.to_owned(),
        params: params.as_object().cloned(),
        experience_controls: None,
    };
    wanted_set(service, "release").llm_model_preferences = Some([("Engage".to_owned(), preference)].into());
}

fn set_live_preference(service: &mut LiveService, model: &str, params: &Value) {
    let preference = LlmPreference {
        llm_name: model.to_owned(),
        params: params.as_object().cloned().unwrap_or_default(),
        experience_controls: Default::default(),
        carried: Default::default(),
    };
    live_set_of(service, "release").llm_model_preferences = [("Engage".to_owned(), preference)].into();
}

/// Adds the live version set `dev` with pins that depend on `n`, and with a field that no manifest has. Adds nothing if
/// `n` is 0.
fn set_live_dev(service: &mut LiveService, n: usize) {
    if n > 0 {
        *live_set_of(service, "dev") = live_set(n as u32, 1);
        live_set_of(service, "dev").carried =
            json!({"applied_behavior_ids": ["b1"]}).as_object().cloned().unwrap();
    }
}

fn set_wanted_dev(service: &mut DesiredService, n: usize) {
    service.version_sets = if n > 0 { sets(&[("dev", n as u32, 1)]) } else { sets(&[]) };
}

/// Returns a field that is tested on Classic with three values. Every manifest must declare it.
fn field(
    path: &'static str,
    wanted: fn(&mut DesiredService, usize),
    live: fn(&mut LiveService, usize),
) -> Field {
    Field { path, api: Api::Classic, values: 3, wanted, live, undeclared: None }
}

/// Returns the fields of services that both APIs have, without version sets.
fn own_fields() -> Vec<Field> {
    vec![
        Field {
            undeclared: Some(|service| service.description = None),
            ..field(
                "description",
                |service, n| service.description = Some(format!(" {}\n", text(n))),
                |service, n| service.description = text(n),
            )
        },
        Field {
            values: 2,
            // A manifest without `active` declares that the service is active.
            undeclared: None,
            ..field(
                "active",
                |service, n| service.active = Some(n == 0),
                |service, n| service.active = n == 0,
            )
        },
        field(
            "agent",
            |service, n| {
                service.agent = Reference::Name(agent(n));
                service.lifecycle.on_agent_change = Some(OnAgentChange::Update);
            },
            |service, n| service.agent = agent(n).to_lowercase().as_str().into(),
        ),
        field(
            "context_graph",
            |service, n| service.context_graph = Reference::Name(format!("G{}", n + 1)),
            |service, n| service.context_graph = format!("g{}", n + 1).as_str().into(),
        ),
        Field {
            undeclared: Some(|service| service.keyterms = None),
            ..field(
                "keyterms",
                |service, n| service.keyterms = Some(vec![text(n), "and".to_owned()]),
                |service, n| service.keyterms = vec!["and".to_owned(), text(n)],
            )
        },
        Field {
            undeclared: Some(|service| service.tags = None),
            ..field(
                "tags.tier",
                |service, n| {
                    let tier = (n > 0).then(|| ("tier".to_owned(), (n > 1).then(|| text(n))));
                    service.tags = Some(tier.into_iter().collect());
                },
                |service, n| {
                    let tier = (n > 0).then(|| ("tier".to_owned(), (n > 1).then(|| text(n))));
                    service.tags.extend(tier);
                },
            )
        },
    ]
}

/// Returns fields of version sets, including a field of a version set that may be absent.
fn set_fields() -> Vec<Field> {
    vec![
        Field {
            undeclared: Some(|service| service.version_sets = None),
            ..field(
                "version_sets.release.agent_version",
                |service, n| wanted_set(service, "release").agent_version = Some(pin(n as u32)),
                |service, n| live_set_of(service, "release").agent_version = pin(n as u32),
            )
        },
        Field {
            undeclared: Some(|service| wanted_set(service, "staging").context_graph_version = None),
            ..field(
                "version_sets.staging.context_graph_version",
                |service, n| wanted_set(service, "staging").context_graph_version = Some(pin(number(n))),
                |service, n| live_set_of(service, "staging").context_graph_version = pin(number(n)),
            )
        },
        Field {
            undeclared: Some(|service| service.version_sets = None),
            ..field("version_sets.dev.agent_version", set_wanted_dev, set_live_dev)
        },
        field(
            "version_sets.release.llm_model_preferences.Engage.llm_name",
            |service, n| set_wanted_preference(service, &text(n), &json!({"temperature": 0.5})),
            |service, n| set_live_preference(service, &text(n), &json!({"temperature": 0.5})),
        ),
        Field {
            undeclared: Some(|service| set_wanted_preference(service, "model", &Value::Null)),
            ..field(
                "version_sets.release.llm_model_preferences.Engage.params.temperature",
                |service, n| set_wanted_preference(service, "model", &json!({"temperature": n, "top_p": 1})),
                |service, n| set_live_preference(service, "model", &json!({"temperature": n, "top_p": 1})),
            )
        },
    ]
}

/// Returns settings of the Platform API: a single value, and values inside objects.
fn platform_fields() -> Vec<Field> {
    vec![
        Field {
            api: Api::Platform,
            undeclared: Some(|service| service.settings.clear()),
            ..field(
                "tool_capacity",
                |service, n| drop(service.settings.insert("tool_capacity".to_owned(), json!(n + 1))),
                |service, n| drop(service.settings.insert("tool_capacity".to_owned(), json!(n + 1))),
            )
        },
        Field {
            api: Api::Platform,
            undeclared: Some(|service| service.settings.clear()),
            ..field(
                "voice_config.max_response_words",
                |service, n| {
                    // With the number 0, the manifest removes the setting.
                    let words = if n == 0 { Value::Null } else { json!(n + 20) };
                    service.settings.insert("voice_config".to_owned(), json!({"max_response_words": words}));
                },
                |service, n| {
                    let words = if n == 0 { json!({}) } else { json!({"max_response_words": n + 20}) };
                    service.settings.insert("voice_config".to_owned(), words);
                },
            )
        },
        Field {
            api: Api::Platform,
            undeclared: Some(|service| service.settings.clear()),
            ..field(
                "voice_config.forwarding.forward_to",
                |service, n| {
                    let to = json!({"forwarding": {"forward_to": format!("+1202555010{n}")}});
                    service.settings.insert("voice_config".to_owned(), to);
                },
                |service, n| {
                    let to = json!({"forwarding": {"forward_to": format!("+1202555010{n}")}, "other": 1});
                    service.settings.insert("voice_config".to_owned(), to);
                },
            )
        },
    ]
}

pub(super) fn manifest(change: impl FnOnce(&mut DesiredService)) -> Desired {
    let mut service = wanted("Desk", "A1");
    change(&mut service);
    desired([service])
}

/// Returns a copy of the plan with the causes of its changes. `base` and `upstream` are the manifests of the base
/// commit and of the newest commit of the base branch.
pub(super) fn plan_with_causes(
    plan: &Plan,
    desired: &Desired,
    (base, upstream): (&Desired, Option<&Desired>),
    snapshot: &Snapshot,
    options: &Options,
) -> Plan {
    let policy = policy();
    let side = |desired| Side { desired, policy: &policy };
    let bases = BaseOf::Every(Bases { base: side(base), upstream: upstream.map(side) });
    assert!(
        plan::cause_lookups(plan, side(desired), &bases, snapshot, options.api).is_nothing(),
        "all names are known"
    );
    plan::with_causes(plan.clone(), side(desired), &bases, snapshot, options.api)
}

/// Returns all causes in a plan: the cause of each service as a whole, and the cause of each changed value. Each cause
/// is paired with the name of the service or the path of the value.
pub(super) fn causes(plan: &Plan) -> Vec<(String, Option<Cause>)> {
    let services = plan.services.iter().filter(|service| service.kind != ServiceKind::Update);
    let whole = services.map(|service| (format!("{} as a whole", service.name), service.cause));
    let own = plan.services.iter().flat_map(|service| service.changes.values());
    let of_steps = plan.steps.iter().flat_map(|step| step.changes.values());
    let changes = own.chain(of_steps).map(|change| (change.path.to_string(), change.cause));
    whole.chain(changes).collect()
}

pub(super) fn cause_at(plan: &Plan, path: &str) -> Option<Cause> {
    let found: Vec<_> =
        causes(plan).into_iter().filter(|(at, _)| at == path).map(|(_, cause)| cause).collect();
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{path} has two causes: {found:?}");
    found.first().map(|cause| cause.expect("every change has a cause"))
}

/// Returns a plan whose causes are found by the tag `origin` of the live service. The tag names the commit whose manifest
/// has the value `base`, among commits with other values.
fn plan_from_origin(
    field: &Field,
    says: &dyn Fn(usize) -> Desired,
    (base, here, there): (usize, usize, usize),
) -> Plan {
    let options = Options { api: field.api, ..options() };
    let (desired, policy) = (says(here), policy());
    let manifests: BTreeMap<String, Desired> =
        (0..field.values).chain([base]).map(|n| (commit(n), says(n))).collect();
    let mut service = applied_at("Desk", &commit(base), live("s1", "Desk", "A1"));
    (field.live)(&mut service, there);
    let snapshot = snapshot([service]);
    let plan = plan::plan(&desired, &snapshot, &policy, &options).expect("a plan");
    let side = |desired| Side { desired, policy: &policy };
    let commits = manifests.iter().map(|(commit, desired)| (commit.clone(), side(desired))).collect();
    let bases = BaseOf::Origin(OriginBases { commits, newest: None });
    let plan = plan::with_causes(plan, side(&desired), &bases, &snapshot, options.api);
    let expected = plan.services.iter().map(|shown| (shown.name.clone(), Some(commit(base)))).collect();
    assert_eq!(plan.bases, expected);
    plan
}

/// Returns the id of a commit with this number.
fn commit(number: usize) -> String {
    format!("{number:040x}")
}

#[test]
fn each_kind_of_field_has_the_cause_that_its_values_show() {
    let mut seen = 0;
    for field in own_fields().into_iter().chain(set_fields()).chain(platform_fields()) {
        let options = Options { api: field.api, ..options() };
        let undeclared = usize::MAX;
        let says = |n: usize| {
            manifest(|service| match field.undeclared {
                Some(undeclare) if n == undeclared => undeclare(service),
                _ => (field.wanted)(service, n),
            })
        };
        let numbers = || (0..field.values).chain(field.undeclared.is_some().then_some(undeclared));
        for (here, there) in (0..field.values).flat_map(|n| (0..field.values).map(move |m| (n, m))) {
            let desired = says(here);
            let mut service = live("s1", "Desk", "A1");
            (field.live)(&mut service, there);
            let snapshot = snapshot([service]);
            let Ok(plan) = plan::plan(&desired, &snapshot, &policy(), &options) else {
                panic!("{}: {here} over {there}: no plan", field.path)
            };
            for base in numbers() {
                let two_way = plan_with_causes(&plan, &desired, (&says(base), None), &snapshot, &options);
                let expected = match () {
                    () if here == there => None,
                    () if base == there || base == undeclared => Some(Cause::Manifest),
                    () if base == here => Some(Cause::Drift),
                    () => Some(Cause::Both),
                };
                let what = format!("{}: base {base}, here {here}, live {there}", field.path);
                let from_origin = plan_from_origin(&field, &says, (base, here, there));
                assert_eq!(cause_at(&from_origin, field.path), expected, "{what}, from the tag");
                assert_eq!(plan::conflicts(&from_origin).is_empty(), expected != Some(Cause::Both), "{what}");
                assert_eq!(cause_at(&two_way, field.path), expected, "{what}");
                assert_eq!(plan::conflicts(&two_way).is_empty(), expected != Some(Cause::Both), "{what}");
                for upstream in numbers() {
                    let with_upstream = plan_with_causes(
                        &plan,
                        &desired,
                        (&says(base), Some(&says(upstream))),
                        &snapshot,
                        &options,
                    );
                    let behind =
                        expected == Some(Cause::Drift) && (upstream == there || upstream == undeclared);
                    let expected = if behind { Some(Cause::Behind) } else { expected };
                    assert_eq!(cause_at(&with_upstream, field.path), expected, "{what}, upstream {upstream}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 1500, "only {seen} cases");
}
