//! Tests of the projects in `examples/`: they load, show every feature that they should show, and can be applied.

mod both_apis;
mod quickstart;
mod seed_snapshot;
mod voice;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use amigops::manifest::{Environment, EnvironmentTarget, Loaded};
use amigops::model::{
    Api, DesiredService, DesiredVersionSet, MaxRemovals, OnAgentChange, Pin, Reference, Retire, ServiceName,
    Snapshot,
};
use amigops::plan::{self, Options, Plan, ServiceKind};

fn root(example: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example)
}

/// Loads an example for one environment, and checks that there is no error and no warning.
fn loaded(example: &str, environment: &str) -> Loaded {
    let loaded = crate::manifest::load(&root(example), Some(environment))
        .unwrap_or_else(|problems| panic!("{example}: {:#?}", crate::manifest::listed(&problems)));
    assert!(loaded.warnings.is_empty(), "{example}: {:#?}", loaded.warnings);
    loaded
}

fn seed_of(environment: &Environment) -> String {
    let EnvironmentTarget::Embedded { seed: Some(seed), .. } = &environment.target else {
        panic!("{} has no seed", environment.name);
    };
    std::fs::read_to_string(seed).expect("the seed can be read")
}

fn state_of(environment: &Environment) -> &Path {
    let EnvironmentTarget::Embedded { state, .. } = &environment.target else {
        panic!("{} is not embedded", environment.name);
    };
    state
}

/// Returns the live state of an emulator that has just started with the seed of the environment.
fn seeded(loaded: &Loaded) -> Snapshot {
    seed_snapshot::snapshot(&seed_of(&loaded.environment), "sandbox")
}

fn options(prune: bool) -> Options {
    Options {
        api: Api::Classic,
        today: "2026-11-22".to_owned(),
        prune,
        take_over: None,
        allow_protected: false,
        max_removals: None,
        only: BTreeSet::new(),
        touched: None,
        unmanage: BTreeSet::new(),
        limited: false,
        create: Default::default(),
        enforce_guardrails: true,
        corrects_origins: true,
    }
}

/// Makes a plan for this live state and returns it. Verifies the plan, and checks that a second plan, made after it,
/// would be empty.
fn planned(loaded: &Loaded, snapshot: &Snapshot, options: &Options) -> Plan {
    let (desired, policy) = (&loaded.desired, &loaded.project.policy);
    let plan = plan::plan(desired, snapshot, policy, options)
        .unwrap_or_else(|error| panic!("{}: {:#?}", loaded.environment.name, error.problems));
    let violations = plan::verify::verify(desired, snapshot, policy, options, &plan);
    assert!(violations.is_empty(), "{violations:#?}");
    let after = plan::verify::outcome(snapshot, &plan.steps, options.api);
    let again = plan::plan(desired, &after, policy, options).expect("it can be planned again");
    assert!(again.is_empty(), "{:#?}", again.steps);
    plan
}

fn names<'a>(list: impl IntoIterator<Item = &'a (ServiceName, amigops::model::ServiceId)>) -> Vec<&'a str> {
    list.into_iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn the_quickstart_plans_one_service() {
    for environment in ["sandbox", "staging"] {
        assert_eq!(loaded("quickstart", environment).desired.services.len(), 4);
    }
    let sandbox = loaded("quickstart", "sandbox");
    let plan = planned(&sandbox, &seeded(&sandbox), &options(false));
    assert_eq!((plan.summary.create, plan.summary.version_sets_created), (4, 3));
}

#[test]
fn the_clinic_loads_for_every_environment() {
    let all = ["sandbox", "rehearsal", "staging", "production"].map(|name| loaded("clinic", name));
    for loaded in &all {
        assert!((60..=70).contains(&loaded.desired.services.len()), "{}", loaded.desired.services.len());
        assert!(loaded.files > 10, "services in several files");
    }
    assert_ne!(state_of(&all[0].environment), state_of(&all[1].environment), "each has a state of its own");
    let contents = all.map(|loaded| loaded.desired);
    let distinct = |at: usize| contents.iter().filter(|other| **other == contents[at]).count() == 1;
    assert!((0..4).all(distinct), "every environment has an overlay");
}

/// The name of a feature, and a function that returns true if a service shows the feature.
type Feature = (&'static str, fn(&DesiredService) -> bool);

fn some_set(service: &DesiredService, fits: fn(&DesiredVersionSet) -> bool) -> bool {
    service.version_sets.iter().flatten().any(|(_, set)| fits(set))
}

const FEATURES: &[Feature] = &[
    ("description: |", |it| it.description.as_ref().is_some_and(|text| text.contains("\n\n"))),
    ("agent: name", |it| matches!(it.agent, Reference::Name(_))),
    ("agent: {id}", |it| matches!(it.agent, Reference::Id(_))),
    ("context_graph: name", |it| matches!(it.context_graph, Reference::Name(_))),
    ("context_graph: {id}", |it| matches!(it.context_graph, Reference::Id(_))),
    ("active: true", |it| it.active == Some(true)),
    ("active: false", |it| it.active == Some(false)),
    ("active absent", |it| it.active.is_none()),
    ("keyterms", |it| it.keyterms.as_ref().is_some_and(|terms| terms.len() > 2)),
    ("keyterms absent", |it| it.keyterms.is_none()),
    ("tag without a value", |it| it.tags.iter().flatten().any(|(_, value)| value.is_none())),
    ("default tags", |it| {
        it.tags.iter().flatten().any(|(key, value)| key == "group" && value.as_deref() == Some("linden"))
    }),
    ("default tag overridden", |it| {
        it.tags.iter().flatten().any(|(key, value)| key == "channel" && value.as_deref() == Some("chat"))
    }),
    ("text beyond ASCII", |it| !it.name.as_str().is_ascii()),
    ("pins", |it| some_set(it, |set| matches!(set.agent_version, Some(Pin::Number(_))))),
    ("agent_version: latest", |it| some_set(it, |set| set.agent_version == Some(Pin::Latest))),
    ("context_graph_version: latest", |it| {
        some_set(it, |set| set.context_graph_version == Some(Pin::Latest))
    }),
    ("pin absent", |it| some_set(it, |set| set.context_graph_version.is_none())),
    ("preference with params", |it| {
        some_set(it, |set| set.llm_model_preferences.iter().flatten().any(|(_, one)| one.params.is_some()))
    }),
    ("preference without params", |it| {
        some_set(it, |set| set.llm_model_preferences.iter().flatten().any(|(_, one)| one.params.is_none()))
    }),
    ("several version sets", |it| it.version_sets.as_ref().is_some_and(|sets| sets.len() > 2)),
    ("depends_on", |it| it.depends_on.len() > 2),
    ("renamed_from", |it| it.lifecycle.renamed_from.is_some()),
    ("on_agent_change: update", |it| it.lifecycle.on_agent_change == Some(OnAgentChange::Update)),
    ("on_agent_change: replace", |it| it.lifecycle.on_agent_change == Some(OnAgentChange::Replace)),
    ("retire: keep", |it| it.lifecycle.retire == Retire::Keep),
    ("retire: deactivate", |it| it.lifecycle.retire == Retire::Deactivate),
    ("prevent_removal", |it| it.lifecycle.prevent_removal),
    ("ignore: a field", |it| it.lifecycle.ignore.iter().any(|path| path.0.len() == 1)),
    ("ignore: a tag", |it| it.lifecycle.ignore.iter().any(|path| path.0.len() == 2 && path.0[0] == "tags")),
    ("ignore: a version set", |it| {
        it.lifecycle.ignore.iter().any(|path| path.0.len() == 2 && path.0[0] == "version_sets")
    }),
    ("ignore: a field of a version set", |it| it.lifecycle.ignore.iter().any(|path| path.0.len() == 3)),
    ("smoke: the agent speaks first", |it| it.smoke.iter().any(|test| test.say.is_none())),
    ("smoke: say and expect", |it| it.smoke.iter().any(|test| test.say.is_some() && test.expect.is_some())),
    ("smoke: any answer", |it| it.smoke.iter().any(|test| test.expect.is_none())),
    ("smoke: another version set", |it| it.smoke.iter().any(|test| !test.version_set.is_release())),
];

/// Each feature in the list must be shown by at least one service of the example.
#[test]
fn the_clinic_shows_every_feature_of_a_service() {
    let clinic = loaded("clinic", "staging");
    for (feature, shows) in FEATURES {
        assert!(clinic.desired.services.values().any(shows), "no service shows `{feature}`");
    }
    let text = std::fs::read_to_string(root("clinic/services/staff.yaml")).expect("it can be read");
    assert!(text.contains("retire: deactivate"), "the default is also said once");
}

#[test]
fn the_clinic_shows_every_feature_of_a_project() {
    let clinic = loaded("clinic", "sandbox");
    let policy = &clinic.project.policy;
    assert_ne!(policy.ownership, amigops::model::Ownership::default(), "an ownership of its own");
    assert!(policy.unmanaged_version_sets.matches(&"personal-anna".into()));
    assert!(matches!(policy.guardrails.max_removals, Some(MaxRemovals::Count(_))));
    assert!(policy.guardrails.require_pins.contains("release"));
    assert!(policy.guardrails.protected.len() > 1);
    assert!(clinic.project.manifests.len() > 2, "several patterns");
    assert_eq!(clinic.project.default_environment.as_deref(), Some("sandbox"));
    let credentials = |name: &str| match &clinic.project.environments[name].target {
        EnvironmentTarget::Classic { credentials, .. } => (Api::Classic, credentials.api_key.is_some()),
        EnvironmentTarget::Platform { credentials, .. } => (Api::Platform, credentials.api_key.is_some()),
        EnvironmentTarget::Embedded { .. } => panic!("{name} is embedded"),
    };
    assert_eq!(credentials("staging"), (Api::Classic, true), "variables of one's own");
    assert_eq!(credentials("production"), (Api::Platform, true), "variables of one's own");

    let services = &clinic.desired.services;
    let depth = longest_chain(&clinic);
    assert!(depth >= 4, "a chain of dependencies, not {depth}");
    let waiting = |name: &ServiceName| services.values().filter(|it| it.depends_on.contains(name)).count();
    let fan = services.keys().map(waiting).max().unwrap_or_default();
    assert!(fan >= 10, "a fan of dependencies, not {fan}");
}

/// Returns the number of services in the longest chain of `depends_on`.
fn longest_chain(loaded: &Loaded) -> usize {
    fn depth(loaded: &Loaded, name: &ServiceName) -> usize {
        let before = loaded.desired.services[name].depends_on.iter();
        1 + before.map(|before| depth(loaded, before)).max().unwrap_or_default()
    }
    loaded.desired.services.keys().map(|name| depth(loaded, name)).max().unwrap_or_default()
}

#[test]
fn the_clinics_overlays_change_pins_sets_and_tags() {
    let base = loaded("clinic", "staging");
    let of = |environment: &str, name: &str| loaded("clinic", environment).desired.services[name].clone();
    let triage = &base.desired.services["Symptom Triage"];
    let rehearsed = of("rehearsal", "Symptom Triage");
    let pin = |it: &DesiredService| it.version_sets.as_ref().and_then(|sets| sets["release"].agent_version);
    assert_ne!(pin(triage), pin(&rehearsed), "a pin");
    let has = |it: &DesiredService, set: &str| {
        it.version_sets.iter().flatten().any(|(name, _)| name.as_str() == set)
    };
    assert!(has(triage, "preview") && !has(&rehearsed, "preview"), "a set taken away");
    let tag = |it: &DesiredService, key: &str| it.tags.iter().flatten().any(|(name, _)| name == key);
    assert!(tag(triage, "tier") && !tag(&rehearsed, "tier"), "a tag taken away");
    assert!(!tag(triage, "stage") && tag(&rehearsed, "stage"), "a tag added");
    assert_ne!(base.desired.services["Study Screener"].active, of("sandbox", "Study Screener").active);
    assert_ne!(base.desired.services["Front Desk"].description, of("sandbox", "Front Desk").description);
}

/// The seed contains live services for each kind of change, so the first plan must contain every kind.
#[test]
fn the_clinics_first_plan_has_every_kind_of_change() {
    for environment in ["sandbox", "rehearsal"] {
        let clinic = loaded("clinic", environment);
        let snapshot = seeded(&clinic);
        let plan = planned(&clinic, &snapshot, &options(false));
        let of = |kind: ServiceKind| -> Vec<&str> {
            plan.services.iter().filter(|one| one.kind == kind).map(|one| one.name.as_str()).collect()
        };
        assert_eq!(of(ServiceKind::Replace), ["Diabetes Coach"]);
        assert_eq!(
            of(ServiceKind::Update),
            [
                "Billing Questions",
                "Harbor Front Desk",
                "Hillside Front Desk",
                "Medication Coach",
                "Nurse Line",
                "Pharmacy Refills"
            ]
        );
        let former = |name: &str| {
            let one = plan.services.iter().find(|one| one.name.as_str() == name)?;
            one.former_name.as_ref().map(ServiceName::as_str)
        };
        assert_eq!(former("Pharmacy Refills"), Some("Refill Line"));
        assert_eq!(former("Harbor Front Desk"), Some("Hillside Front Desk"));
        assert_eq!(former("Hillside Front Desk"), Some("Harbor Front Desk"));
        let adopted: Vec<_> =
            plan.services.iter().filter(|one| one.adopted).map(|one| one.name.as_str()).collect();
        assert_eq!(adopted, ["Billing Questions"]);
        assert_eq!(names(&plan.orphans), ["Flu Season Line"]);
        assert_eq!(names(&plan.unmanaged), ["Board Demo", "Cafeteria Menu"]);
        assert_eq!((plan.summary.unchanged, plan.summary.version_sets_deleted), (1, 1));
        assert_eq!(plan.summary.create, clinic.desired.services.len() - 8);

        let pruned = planned(&clinic, &snapshot, &options(true));
        assert_eq!(pruned.summary.retire, 1, "the orphan, within max_removals");
    }
}

#[test]
fn the_clinics_seed_has_data_that_a_careless_write_would_destroy() {
    let clinic = loaded("clinic", "sandbox");
    let snapshot = seeded(&clinic);
    let live = |name: &str| {
        snapshot.services.iter().find(|one| one.name.as_str() == name).unwrap_or_else(|| panic!("no {name}"))
    };
    let coach = live("Medication Coach");
    assert!(coach.version_sets.contains_key("personal-anna"));
    assert!(coach.version_sets["release"].carried.contains_key("applied_behavior_ids"));
    let sets = &snapshot.behavior_sets[&live("Diabetes Coach").id];
    assert_eq!(sets.len(), 1, "a behavior set on the service that is replaced");
    let seed = seed_of(&clinic.environment);
    let tested = seed_snapshot::tested(&seed, "sandbox");
    assert_eq!(tested, [("Lab Results Explainer".to_owned(), "regression".to_owned())]);
    assert!(clinic.desired.services["Lab Results Explainer"].active != Some(false));
}

#[test]
fn the_clinic_can_be_applied_in_every_embedded_environment() {
    use crate::harness::{Run, amigops, copy_example, run_command};
    let project = copy_example("clinic");
    let run = |args: &[&str]| -> Run {
        let mut command = amigops(project.path());
        command.args(args);
        run_command(command)
    };
    for environment in ["sandbox", "rehearsal"] {
        let applied = run(&["apply", "--auto-approve", "-e", environment]).expect(0);
        assert!(applied.stderr.contains("read back: converged"), "{}", applied.stderr);
        assert!(applied.stdout.contains("1 orphan"), "{}", applied.stdout);
        run(&["plan", "--detailed-exitcode", "-e", environment]).expect(0);
        run(&["apply", "--auto-approve", "--prune", "-e", environment]).expect(0);
        let nothing = run(&["plan", "--detailed-exitcode", "--prune", "-e", environment]).expect(0);
        assert!(nothing.stdout.contains("Nothing to do: 70 services"), "{}", nothing.stdout);
    }
}
