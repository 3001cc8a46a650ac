//! Property tests of imports. They import a random live state into a project, and check that the next plan only adopts
//! services. Then they change the live state, update the manifests, and check the same again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value, json};

use super::{ImportContext, files, select as choose, update};
use crate::edit::Change;
use crate::manifest::{self, LoadOptions, Loaded, ProjectSource};
use crate::model::*;
use crate::plan::tests::build::options;
use crate::plan::tests::generate;
use crate::plan::{self, Options};

const STRANGE: &[&str] = &[
    "yes",
    "0123",
    "- dash",
    "a: b",
    "a #b",
    "#",
    "it's \"so\"",
    "{x}",
    "*a",
    "&b",
    "!c",
    "| d",
    "> e",
    "%f",
    "@g",
    "`h`",
    "~",
    "null",
    "1e3",
    "🙂 emoji 👩‍👩‍👧",
    "日本語",
    "مرحبا",
    "é\u{301}",
    "a, b",
    "[x]",
    "x:",
    "\\n",
    "tab\tin",
    "2026-11-22",
    "...",
    "---",
    "? q",
    "= e",
    "<<",
    "..",
    "../../etc/passwd",
    "CON",
];

fn line() -> impl Strategy<Value = String> {
    let random = "\\PC{1,30}".prop_map(|text| text.trim().to_owned());
    let visible = |text: &String| {
        let hidden = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        !text.is_empty() && !text.chars().any(hidden)
    };
    prop_oneof![
        3 => select(STRANGE.to_vec()).prop_map(|text| text.replace('\t', " ")),
        2 => random,
        1 => "[a-z ]{90,250}".prop_map(|text| format!("x{text}x")),
    ]
    .prop_filter("names show", visible)
}

fn prose() -> impl Strategy<Value = String> {
    let text = |parts: Vec<String>| parts.concat();
    let parts = prop::collection::vec(
        prop_oneof![
            3 => line(),
            2 => select(vec!["\n", "\n\n", " \n", "\t\n", "\n  ", "\n\t", "  ", " ", "# x", ": ", "\r\n", "\u{85}", "\u{7f}", "\u{2028}"])
                .prop_map(str::to_owned),
        ],
        1..8,
    );
    parts.prop_map(text).prop_filter("not empty", |text| !text.trim().is_empty())
}

fn id(api: Api, number: usize) -> String {
    match api {
        Api::Classic => format!("65f0c1{number:018x}"),
        Api::Platform => format!("{number:08x}-0000-4000-8000-000000000000"),
    }
}

/// Generates a live state with names and texts that are hard to write as YAML, and with ids in the API's format.
fn snapshots(api: Api) -> impl Strategy<Value = Snapshot> {
    let names = prop::collection::btree_set(line(), 5);
    let services = prop::collection::vec((prose(), line(), prop::option::of(line()), any::<bool>()), 6);
    (generate::state(api), names, services, prop::collection::vec(line(), 8)).prop_map(
        move |((_, mut snapshot), names, texts, catalog)| {
            let names: Vec<String> = names.into_iter().collect();
            let agent = |id_: &AgentId| AgentId::new(id(api, id_.as_str()[1..].parse().unwrap_or(0)));
            let graph = |id_: &ContextGraphId| {
                ContextGraphId::new(id(api, 100 + id_.as_str()[1..].parse().unwrap_or(0)))
            };
            for (service, (description, key, value, rich)) in snapshot.services.iter_mut().zip(&texts) {
                let at = ["Able", "Baker", "Carol", "Delta", "Echo"]
                    .iter()
                    .position(|name| *name == service.name.as_str());
                service.name = ServiceName::new(&names[at.unwrap_or(0)]);
                service.description = description.clone();
                service.agent = agent(&service.agent);
                service.context_graph = graph(&service.context_graph);
                if *rich {
                    enrich(api, service, key, value.as_deref());
                }
            }
            snapshot.agents.entries = std::mem::take(&mut snapshot.agents.entries)
                .into_iter()
                .zip(&catalog)
                .map(|((id, entry), name)| (agent(&id), CatalogEntry { name: name.clone(), ..entry }))
                .collect();
            snapshot.context_graphs.entries = std::mem::take(&mut snapshot.context_graphs.entries)
                .into_iter()
                .zip(&catalog[4..])
                .map(|((id, entry), name)| (graph(&id), CatalogEntry { name: name.clone(), ..entry }))
                .collect();
            snapshot
        },
    )
}

fn enrich(api: Api, service: &mut LiveService, key: &str, value: Option<&str>) {
    let params = json!({"temperature": 0.4, key: [value, null_or(value), 1e300, -0.5, "0x1F"]});
    let Value::Object(params) = params else { return };
    let mut preference = LlmPreference {
        llm_name: "openai_gpt-5.1".to_owned(),
        params: settings::without_nulls(&params),
        experience_controls: Map::new(),
        carried: [("unheard_of".to_owned(), json!(1))].into_iter().collect(),
    };
    match api {
        Api::Classic => {
            service.keyterms = vec!["blood sugar".to_owned(), "no".to_owned(), "metformin".to_owned()];
            service.tags.insert("yes".to_owned(), Some("0123".to_owned()));
        }
        Api::Platform => {
            service.keyterms =
                vec![key.chars().take(100).collect::<String>().trim().to_owned(), "0123".to_owned()];
            service.keyterms.dedup();
            service.tags.insert(key.to_owned(), value.map(str::to_owned));
            service.tags.insert("empty".to_owned(), Some(String::new()));
            preference.experience_controls = [
                ("seed".to_owned(), json!(7)),
                ("stop".to_owned(), json!([key])),
                ("new".to_owned(), json!(1)),
            ]
            .into_iter()
            .collect();
            service.settings.insert("channel_type".to_owned(), json!("text"));
            service.settings.insert("safety_filters_enabled".to_owned(), json!(false));
            let voice = json!({"tts_config": {key: value, "deep": {"x": [1, {"y": key}]}}, "filler_vocabulary": [key]});
            let Value::Object(voice) = voice else { return };
            service
                .settings
                .insert("voice_config".to_owned(), Value::Object(settings::without_nulls(&voice)));
        }
    }
    for set in service.version_sets.values_mut().take(2) {
        set.llm_model_preferences.insert(key.to_owned(), preference.clone());
        set.carried.insert("applied_behavior_ids".to_owned(), json!(["b"]));
    }
    service.tags.insert(TAG_PROTECTED.to_owned(), Some("true".to_owned()));
}

fn null_or(value: Option<&str>) -> Value {
    value.map_or(Value::Null, |value| json!({"x": value}))
}

struct Project {
    directory: tempfile::TempDir,
    _file: tempfile::NamedTempFile,
    api: Api,
}

impl Project {
    fn new(api: Api, more: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!(
            "version: 1\nmanifests: [s/*.yaml]\nenvironments:\n  live: {{api: {}}}\n{more}default_environment: live\n\
             unmanaged_version_sets: [\"personal-*\"]\n",
            api.as_str()
        );
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix("amigops.yaml").rand_bytes(0).tempfile_in(directory.path());
        let mut file = file.expect("a file");
        file.write_all(text.as_bytes()).expect("a text");
        Self { directory, _file: file, api }
    }

    fn load(&self, texts: &BTreeMap<String, String>) -> Loaded {
        let read = manifest::load(&LoadOptions {
            replacements: texts.clone(),
            allow_empty: true,
            keep_documents: true,
            ..LoadOptions::new(ProjectSource::WorkingDirectory(self.directory.path()), None)
        });
        read.unwrap_or_else(|problems| {
            let all: Vec<_> =
                problems.diagnostics.iter().map(|one| format!("{}: {}", one.location, one.message)).collect();
            panic!("{}\n{texts:#?}", all.join("\n"))
        })
    }

    fn context<'a>(&self, loaded: &'a Loaded, snapshot: &'a Snapshot) -> ImportContext<'a> {
        let environments = &loaded.project.environments;
        ImportContext {
            api: self.api,
            policy: &loaded.project.policy,
            snapshot,
            environment: "live",
            sole: environments.len() == 1,
            mixed: environments.values().any(|other| other.target.api() != self.api),
            defaults: &loaded.defaults,
        }
    }

    /// Imports a live state into an empty project. Returns the new texts by the paths of their files.
    fn import(&self, snapshot: &Snapshot) -> BTreeMap<String, String> {
        let loaded = self.load(&BTreeMap::new());
        let context = self.context(&loaded, snapshot);
        let leftovers = snapshot.services.iter().filter(|service| plan::is_leftover(service));
        let leftovers = leftovers.map(|service| service.id.clone()).collect();
        let scope = choose::Scope { leftovers, ..choose::Scope::default() };
        let (services, _) = choose::services(&context, &scope);
        let (files, _) = files(&context, &services, &BTreeSet::new(), None);
        files.into_iter().map(|file| (format!("s/{}", file.name), file.text)).collect()
    }

    /// Checks that a plan of the manifests `texts` only writes the tool's own tags: the ownership tag of services that it
    /// adopts, and the tag `origin` of services that another client has renamed or activated.
    fn expect_adoption(&self, texts: &BTreeMap<String, String>, snapshot: &Snapshot) {
        let loaded = self.load(texts);
        if loaded.desired.services.is_empty() {
            return;
        }
        let options = Options { api: self.api, ..options() };
        let plan = plan::plan(&loaded.desired, snapshot, &loaded.project.policy, &options)
            .unwrap_or_else(|error| panic!("{error:#?}\n{texts:#?}"));
        for service in &plan.services {
            let tag = if service.adopted { "tags.managed_by" } else { "tags.origin" };
            let only_tag = service.changes.values().all(|change| change.path.to_string() == tag);
            assert!(only_tag && service.steps.len() == 1, "{service:#?}\n{texts:#?}\n{snapshot:#?}");
        }
        assert_eq!(plan.steps.len(), plan.services.len(), "{texts:#?}");
    }

    /// Updates the documents to a live state, and returns their new texts. Changes the documents as values, without the
    /// YAML editor.
    fn update(&self, texts: &BTreeMap<String, String>, snapshot: &Snapshot) -> BTreeMap<String, String> {
        let loaded = self.load(texts);
        let context = self.context(&loaded, snapshot);
        let ids = plan::ids(&loaded.desired, snapshot, context.policy, loaded.environment.target.api())
            .unwrap_or_default();
        let pairs = choose::match_services(&loaded.desired, &ids, &context, &BTreeSet::new());
        let mut after = BTreeMap::new();
        for document in &loaded.documents {
            let name = document.service().unwrap_or_default();
            let mut members = document.members.clone();
            if let Some(live) = pairs.get(name) {
                let wanted = &loaded.desired.services[name];
                let (changes, _) = update::changes(&context, &members, wanted, live);
                for change in changes {
                    match change {
                        Change::Set { path, value } => at(&mut members, &path, Some(value)),
                        Change::Remove { path } => at(&mut members, &path, None),
                    }
                }
            }
            after.insert(document.file.clone(), super::yaml::document(&members));
        }
        after
    }
}

fn at(members: &mut Map<String, Value>, path: &[String], value: Option<Value>) {
    match (path, value) {
        ([last], Some(value)) => {
            members.insert(last.clone(), value);
        }
        ([last], None) => {
            members.remove(last);
        }
        ([first, rest @ ..], value) => {
            let inner = members.entry(first.clone()).or_insert_with(|| json!({}));
            at(inner.as_object_mut().expect("a mapping"), rest, value);
        }
        ([], _) => {}
    }
}

fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        // There are fewer cases than usual, because each case loads several projects.
        cases: usual.cases / 4,
        rng_seed: RngSeed::Fixed(20_261_122),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..usual
    }
}

/// Generates the rest of the project file: nothing, defaults, or a second environment on the same or the other API.
fn around(api: Api) -> impl Strategy<Value = String> {
    let other = match api {
        Api::Classic => "platform",
        Api::Platform => "classic",
    };
    select(vec![
        String::new(),
        "defaults: {tags: {team: care}, active: true, keyterms: [metformin], version_sets: {dev: {agent_version: 2}}}\n".to_owned(),
        format!("  other: {{api: {other}}}\n"),
        format!("  same: {{api: {}}}\n", api.as_str()),
    ])
}

fn both(
    cases: impl Fn(Api) -> BoxedStrategy<(Api, String, Snapshot, Snapshot)>,
) -> impl Strategy<Value = (Api, String, Snapshot, Snapshot)> {
    prop_oneof![cases(Api::Classic), cases(Api::Platform)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn plan_after_an_import_only_adopts(
        (api, more, snapshot, later) in both(|api| {
            (Just(api), around(api), snapshots(api), snapshots(api)).boxed()
        })
    ) {
        // A name, tag or key term of a Platform service may be invalid on Classic, so a Platform project gets no
        // Classic environment.
        let project = Project::new(api, if api == Api::Platform && more.contains("classic") { "" } else { &more });
        let texts = project.import(&snapshot);
        project.expect_adoption(&texts, &snapshot);
        // Then the live services change, and the documents are updated.
        if more.contains("other") {
            return Ok(());
        }
        let mut moved = snapshot;
        for service in &mut moved.services {
            let Some(other) = later.services.iter().find(|other| other.active == service.active) else { continue };
            let (id, name, tags) = (service.id.clone(), service.name.clone(), service.tags.clone());
            *service = LiveService { id, name, ..other.clone() };
            for own in [TAG_PROTECTED, "managed_by"] {
                service.tags.remove(own);
                service.tags.extend(tags.get_key_value(own).map(|(key, value)| (key.clone(), value.clone())));
            }
            service.tags.retain(|_, value| value.is_some());
            service.tags.insert("team".to_owned(), Some("care".to_owned()));
        }
        let updated = project.update(&texts, &moved);
        let again = project.update(&updated, &moved);
        prop_assert_eq!(&updated, &again, "a second update changes nothing");
        project.expect_adoption(&updated, &moved);
    }
}
