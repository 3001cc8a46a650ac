//! Tests of `import` and `init` with the real binary, on both APIs.

use amigops::model::Api;
use amigops::model::settings::{self, Kind, SettingField};
use amigops_emulator::{CatalogItem, Service};
use serde_json::{Map, Value, json};

use crate::harness::{Lab, ORGANIZATION, Run, WORKSPACE, amigops, run_command};
use crate::on_both_apis;

const SEED: &str = "organizations:
  acme:
    agents:
      - {name: Coach Maya, versions: 5}
      - {name: \"yes: #1\", versions: 5}
      - {name: Twin, versions: 5}
      - {name: Other Twin, versions: 5}
    context_graphs:
      - {name: Coaching Flow, versions: 6}
";

/// Creates a lab in which two agents have the same name. A seed can't express that, so one agent is renamed afterwards.
fn lab(api: Api) -> Lab {
    let lab = Lab::on(api, SEED);
    let other = lab.agent_id("Other Twin");
    let rename = |agent: &mut CatalogItem| agent.name = "Twin".to_owned();
    lab.server
        .edit(|world| match api {
            Api::Classic => {
                rename(world.organization_mut(ORGANIZATION).unwrap().agents_mut().get_mut(&other).unwrap())
            }
            Api::Platform => {
                rename(world.workspace_mut(WORKSPACE).unwrap().agents_mut().get_mut(&other).unwrap())
            }
        })
        .unwrap();
    lab
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("not an object: {value}") };
    members
}

fn named(lab: &Lab, name: &str, agent: &str) -> Service {
    let (agent, graph) = (lab.agent_id(agent), graph_id(lab));
    let mut service = Service::new(name, &agent, &graph);
    service.description = format!("The service {name}");
    service
}

fn graph_id(lab: &Lab) -> String {
    let world = lab.server.world();
    let graph = match lab.api {
        Api::Classic => world.organization(ORGANIZATION).unwrap().context_graph("Coaching Flow"),
        Api::Platform => world.workspace(WORKSPACE).unwrap().context_graph("Coaching Flow"),
    };
    graph.unwrap().id.clone()
}

/// Returns a JSON object with a valid sample value for each field.
fn sample(fields: &[SettingField]) -> Map<String, Value> {
    let value = |field: &SettingField| match field.name {
        "forward_to" => json!("+12025550100"),
        _ => sample_of(&field.kind),
    };
    fields.iter().map(|field| (field.name.to_owned(), value(field))).collect()
}

fn sample_of(kind: &Kind) -> Value {
    match kind {
        Kind::Boolean => json!(true),
        Kind::Integer { min, max } => json!(7.clamp(*min, *max)),
        Kind::Number { min, max } => json!(0.75_f64.clamp(*min, *max)),
        Kind::Text { .. } => json!("- 0123: # yes"),
        Kind::OneOf(words) => json!(words[words.len() - 1]),
        Kind::List(of) => json!([sample_of(of), sample_of(of)]),
        Kind::TextOrList => json!(["#", "~"]),
        Kind::Map { of, .. } => json!({"no": sample_of(of)}),
        Kind::Any => json!({"deep": {"list": [1, 2.5, true, "off", "1\n2"]}}),
        Kind::Object(fields) => json!(sample(fields)),
    }
}

/// Adds services that are hard to write as YAML: with texts of every kind, tags without values, and preferences with
/// parameters.
fn add_rich(lab: &Lab) -> usize {
    let names = [
        "yes",
        "0123",
        "- dash",
        "a: \"b\" #c",
        "../../../etc/passwd",
        "C:\\CON",
        "🙂",
        "日本語 サービス",
        "it's",
        "Twin a",
        "twin A",
        "null",
        "x | y > z",
        "@home %1",
    ];
    for (number, name) in names.iter().enumerate() {
        let mut service = named(lab, name, ["Coach Maya", "yes: #1", "Twin"][number % 3]);
        service.description = match number % 4 {
            0 => "First line: with a colon.  \n\n\t- tabbed # not a comment\nlast line".to_owned(),
            1 => format!("long {}", "words and more ".repeat(30)).trim().to_owned(),
            2 => "# no comment".to_owned(),
            _ => "trailing \t\n  indented\r\nback".to_owned(),
        };
        service.tags = [("yes".to_owned(), None), ("tier".to_owned(), Some("0123".to_owned()))].into();
        service.keyterms = vec!["no".to_owned(), "blood sugar".to_owned()];
        let mut set = service.version_sets.get("release").cloned().unwrap_or_default();
        set.agent_version = Some(3);
        set.context_graph_version = Some(5);
        service.version_sets.insert("release".to_owned(), set.clone());
        set.agent_version = None;
        let mut preference =
            json!({"llm_name": "openai_gpt-5.1", "params": {"temperature": 0.4, "stop": ["- a", "b: c"]}});
        if lab.api == Api::Platform {
            preference["experience_controls"] = json!(sample(settings::EXPERIENCE_CONTROLS));
        }
        set.llm_model_preferences = [("Engage: User".to_owned(), preference)].into_iter().collect();
        service.version_sets.insert("staging".to_owned(), set);
        let id = lab.add(service);
        if lab.api == Api::Platform {
            enrich(lab, &id, number);
        }
    }
    names.len()
}

fn enrich(lab: &Lab, id: &str, number: usize) {
    lab.server
        .edit(|world| {
            let services = world.workspace_mut(WORKSPACE).unwrap().services_mut();
            let service = services.get_mut(id).unwrap();
            if number % 5 == 4 {
                return;
            }
            service.tool_capacity = 7;
            service.safety_filters_enabled = false;
            service.channel_type = "text".to_owned();
            service.environment = "sandbox".to_owned();
            service.voice_config = Some(sample(settings::VOICE_CONFIG));
            service.escalation_policy = Some(object(json!({
                "context_window_exhaustion": {"type": "operator"}, "risk_scorer": {"type": "hangup"},
                "conversation_monitor": {"type": "forward"},
            })));
        })
        .unwrap();
}

#[track_caller]
fn expect_adoption(run: &Run, count: usize) {
    let wanted = format!("would only add the ownership tag to {count} services");
    assert!(run.stdout.contains(&wanted), "{}\n{}", run.stdout, run.stderr);
}

fn texts(lab: &Lab) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(lab.path().join("services")).unwrap();
    let mut texts: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    texts.sort();
    texts
}

on_both_apis! {
    fn plan_after_an_import_only_adopts(api: Api) {
        let lab = lab(api);
        let count = add_rich(&lab);
        let before = lab.comparable_state();
        let run = lab.run(&["import", "--out", "services"]).expect(0);
        expect_adoption(&run, count);
        assert_eq!(texts(&lab).len(), count, "one file per service");
        assert_eq!(lab.comparable_state(), before, "an import only reads");
        assert!(lab.writes().is_empty());
        let plan = lab.run(&["plan"]).expect(0);
        assert!(plan.stdout.contains(&format!("{count} to change")), "{}", plan.stdout);
        lab.apply().expect(0);
        lab.expect_converged();
        // A second import changes nothing.
        let run = lab.run(&["import", "--out", "services"]).expect(0);
        assert!(run.stdout.contains("Import: 0 files created, 0 files updated"), "{}", run.stdout);
        assert!(run.stdout.contains("A plan made now would change nothing."), "{}", run.stdout);
    }

    fn manifest_has_the_layout_of_the_documentation(api: Api) {
        let lab = lab(api);
        let mut service = named(&lab, "Health Coach", "Coach Maya");
        service.version_sets.entry("release".to_owned()).or_default().agent_version = Some(3);
        lab.add(service);
        let mut twin = named(&lab, "Twin", "Twin");
        twin.is_active = true;
        lab.add(twin);
        let mut off = named(&lab, "Off", "Coach Maya");
        off.is_active = false;
        lab.add(off);
        lab.write("schema/service.schema.json", "{}");
        lab.run(&["import", "--out", "services"]).expect(0);
        let texts = texts(&lab);
        let names: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["health-coach.yaml", "twin.yaml"]);
        assert_eq!(
            texts[0].1,
            "# yaml-language-server: $schema=../schema/service.schema.json\nservice: Health Coach\n\
             description: The service Health Coach\nagent: Coach Maya\ncontext_graph: Coaching Flow\n\
             version_sets:\n  release: {agent_version: 3, context_graph_version: latest}\n"
        );
        assert!(texts[1].1.contains("agent: {id: "), "two agents have the name: {}", texts[1].1);
        let all = lab.run(&["import", "--out", "services", "--all"]).expect(0);
        let off = std::fs::read_to_string(lab.path().join("services/off.yaml")).unwrap();
        assert!(off.contains("active: false\n"), "{off}\n{}", all.stdout);
    }

    /// Imports all services, applies, imports and plans again. The second import and plan must change nothing, and the
    /// inactive service without an owner must stay as it was.
    fn an_import_of_all_services_is_a_fixed_point(api: Api) {
        let lab = lab(api);
        lab.add(named(&lab, "On", "Coach Maya"));
        let mut off = named(&lab, "Off", "Coach Maya");
        off.is_active = false;
        lab.add(off);
        lab.run(&["import", "--out", "services", "--all"]).expect(0);
        let imported = texts(&lab);
        let plan = lab.run(&["plan"]).expect(0);
        assert!(plan.stdout.contains("0 to create") && plan.stdout.contains("to adopt"), "{}", plan.stdout);
        lab.apply().expect(0);
        let services = lab.services();
        assert_eq!(services.iter().filter(|service| service.name == "Off").count(), 1);
        assert!(services.iter().all(|service| service.name != "Off" || !service.is_active));
        lab.run(&["plan", "--detailed-exitcode"]).expect(0);
        lab.run(&["import", "--out", "services", "--all"]).expect(0);
        assert_eq!(texts(&lab), imported);
        // If a service is deactivated later, the import writes `active: false`, so that no further edit is needed to
        // accept the change.
        let other = services.into_iter().find(|service| service.is_active).expect("one is active");
        lab.change(&other.id, |service| service.is_active = false);
        lab.run(&["drift"]).expect(2);
        lab.run(&["import", "--out", "services"]).expect(0);
        lab.run(&["drift"]).expect(0);
    }

    fn manifests_are_updated_in_place(api: Api) {
        let lab = lab(api);
        lab.manifests(
            "# Our coaches.\n---\nservice: Health Coach   # the first one\ndescription: Old words.\nagent: Coach Maya\n\
             context_graph: Coaching Flow\ntags: {tier: gold}      # what they pay\nversion_sets:\n\
             \x20 release: {agent_version: 3, context_graph_version: 5}   # pinned\n  dev: {agent_version: latest}\n\
             ---\nservice: Night Coach\nagent: \"yes: #1\"\ncontext_graph: Coaching Flow\ndescription: Nights.\n",
        );
        lab.apply().expect(0);
        let (day, night) = (lab.active("Health Coach").id, lab.active("Night Coach").id);
        lab.change(&day, |service| {
            service.description = "New words.".to_owned();
            service.tags.insert("vip".to_owned(), Some("yes".to_owned()));
            service.keyterms = vec!["metformin".to_owned()];
            service.version_sets.get_mut("release").unwrap().agent_version = Some(4);
        });
        lab.change(&night, |service| service.name = "Late Coach".to_owned());
        let late = named(&lab, "Late Coach 2", "Twin");
        lab.add(late);
        let run = lab.run(&["import", "--out", "services"]).expect(0);
        let text = std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap();
        for kept in ["# Our coaches.", "# the first one", "# what they pay", "# pinned", "  dev: {agent_version: latest}"] {
            assert!(text.contains(kept), "{kept} in\n{text}");
        }
        assert!(text.contains("description: New words."), "{text}");
        assert!(text.contains("release: {agent_version: 4, context_graph_version: 5}"), "{text}");
        assert!(text.contains("service: Late Coach\n"), "a service renamed live keeps its document: {text}");
        let line = "  ~ services/all.yaml  Health Coach, Night Coach → Late Coach\n";
        assert!(run.stdout.contains(line), "{}", run.stdout);
        let words = "`Late Coach`: services/all.yaml declared `Night Coach` and now declares `Late Coach`";
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert!(!text.contains("keyterms"), "what is unmanaged stays out: {text}");
        assert!(lab.path().join("services/late-coach-2.yaml").exists());
        assert!(run.stdout.contains("would only write the ownership tag and the tag `origin` of 2 services"), "{}\n{}\n{text}", run.stdout, run.stderr);
        lab.apply().expect(0);
        lab.expect_converged();
    }

    fn rename_of_a_manifest_that_was_not_applied_is_reported(api: Api) {
        let lab = lab(api);
        let manifest = |name: &str| {
            lab.manifests(&format!(
                "service: {name}\nagent: Coach Maya\ncontext_graph: Coaching Flow\ndescription: One.\n"
            ));
        };
        manifest("Day Coach");
        lab.apply().expect(0);
        // The manifest declares a new service with the same agent and context graph. The manifest of the live service
        // is gone.
        manifest("New Coach");
        let run = lab.run(&["import", "--out", "services"]).expect(0);
        assert!(run.stdout.contains("  ~ services/all.yaml  New Coach → Day Coach\n"), "{}", run.stdout);
        for words in ["declared `New Coach` and now declares `Day Coach`", "undo this change"] {
            assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        }
    }

    fn fields_that_cannot_be_edited_are_reported(api: Api) {
        let lab = lab(api);
        lab.manifests(
            "service: Coach\ndescription: Old.\nagent: Coach Maya\ncontext_graph: Coaching Flow\n\
             version_sets:\n  release: &pins {agent_version: 3, context_graph_version: 5}\n  staging: *pins\n",
        );
        lab.apply().expect(0);
        let id = lab.active("Coach").id;
        lab.change(&id, |service| {
            service.description = "New.".to_owned();
            service.version_sets.get_mut("staging").unwrap().agent_version = Some(4);
        });
        let run = lab.run(&["import", "--out", "services"]).expect(0);
        assert!(run.stderr.contains("services/all.yaml: line 7: `version_sets.staging.agent_version`"), "{}", run.stderr);
        assert!(run.stderr.contains("the live value is 4"), "{}", run.stderr);
        assert!(run.stdout.contains("A plan made now would still change "), "{}", run.stdout);
        let note = "note: `Coach`: a plan would change this service: version_sets.staging.agent_version\n";
        assert!(run.stderr.ends_with(note), "{}", run.stderr);
        let text = std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap();
        assert!(text.contains("description: New.") && text.contains("staging: *pins"), "{text}");
    }

    fn other_environments_are_not_changed(api: Api) {
        let lab = lab(api);
        let home = match api {
            Api::Classic => "{api: classic, organization: other}",
            Api::Platform => "{api: platform, workspace: 99999999-2222-4333-8444-555555555555}",
        };
        let url = lab.server.url();
        let own = match api {
            Api::Classic => format!("{{api: classic, organization: {ORGANIZATION}, base_url: \"{url}\"}}"),
            Api::Platform => format!("{{api: platform, workspace: {WORKSPACE}, base_url: \"{url}\"}}"),
        };
        lab.write(
            "amigops.yaml",
            &format!("version: 1\nmanifests: [services/*.yaml]\nenvironments:\n  lab: {own}\n  other: {home}\ndefault_environment: lab\n"),
        );
        lab.manifests("service: Coach\ndescription: Old.\nagent: Coach Maya\ncontext_graph: Coaching Flow\n");
        lab.apply().expect(0);
        let id = lab.active("Coach").id;
        lab.change(&id, |service| service.description = "New.".to_owned());
        lab.run(&["import", "--out", "services"]).expect(0);
        let text = std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap();
        assert!(text.contains("\ndescription: Old.\n"), "{text}");
        assert!(text.contains("environments:\n  lab:\n    description: New."), "{text}");
        lab.expect_converged();
        lab.change(&id, |service| service.name = "Trainer".to_owned());
        let run = lab.run(&["import", "--out", "services"]).expect(0);
        assert!(run.stderr.contains("was renamed live"), "{}", run.stderr);
        assert!(!lab.path().join("services/trainer.yaml").exists());
    }

    fn import_never_writes_outside_or_overwrites(api: Api) {
        let lab = lab(api);
        let run = lab.run(&["import", "--out", "../elsewhere"]).expect(1);
        assert!(run.stderr.contains("not inside the project"), "{}", run.stderr);
        #[cfg(unix)]
        {
            let elsewhere = tempfile::tempdir().unwrap();
            std::os::unix::fs::symlink(elsewhere.path(), lab.path().join("link")).unwrap();
            lab.run(&["import", "--out", "link/services"]).expect(1);
        }
        let service = named(&lab, "Coach", "Coach Maya");
        lab.add(service);
        lab.write("services/coach.yaml", "# only a note\n");
        lab.run(&["import", "--out", "services"]).expect(0);
        let texts = texts(&lab);
        assert_eq!(texts.len(), 2);
        assert!(texts.iter().any(|(name, text)| name == "coach.yaml" && text == "# only a note\n"));
        let run = lab.run(&["import", "--out", "."]).expect(0);
        assert!(run.stdout.contains("Import: 0 files created"), "{}", run.stdout);
        let more = named(&lab, "More", "Coach Maya");
        lab.add(more);
        let run = lab.run(&["import", "--out", "elsewhere"]).expect(1);
        assert!(run.stderr.contains("no pattern under `manifests`"), "{}", run.stderr);
        assert!(!lab.path().join("elsewhere").exists());
        lab.run(&["import", "--out", "services", "--only", "Nobody"]).expect(1);
    }

    fn init_creates_a_project_from_live_services(api: Api) {
        let lab = lab(api);
        let count = add_rich(&lab);
        let home = tempfile::tempdir().unwrap();
        let run = |args: &[&str]| {
            let mut command = amigops(home.path());
            command.args(args).envs([
                ("AMIGO_API_KEY", "s3cret-key"),
                ("AMIGO_API_KEY_ID", "key-id"),
                ("AMIGO_USER_ID", "user-1"),
                ("AMIGO_BASE_URL", &lab.server.url()),
            ]);
            match api {
                Api::Classic => command.env("AMIGO_ORGANIZATION_ID", ORGANIZATION),
                Api::Platform => command.env("AMIGO_WORKSPACE_ID", WORKSPACE),
            };
            run_command(command)
        };
        let made = run(&["init", "--from-env", "project"]).expect(0);
        expect_adoption(&made, count);
        let beginning = "  + amigops.yaml\n  + .gitignore\n  + schema/project.schema.json\n  \
                         + schema/service.schema.json\n  + services/";
        assert!(made.stdout.starts_with(beginning), "{}", made.stdout);
        let written = made.stdout.lines().filter(|line| line.starts_with("  + ")).count();
        assert!(made.stdout.contains(&format!("Import: {written} files created, ")), "{}", made.stdout);
        let file = std::fs::read_to_string(home.path().join("project/amigops.yaml")).unwrap();
        expect_schemas(&home.path().join("project"), count + 1);
        assert!(!file.contains("s3cret-key") && !file.contains("key-id") && !file.contains("user-1"), "{file}");
        let plan = run(&["plan", "-C", "project"]).expect(0);
        assert!(plan.stdout.contains(&format!("{count} to change")), "{}", plan.stdout);
        run(&["apply", "--auto-approve", "-C", "project"]).expect(0);
        run(&["plan", "--prune", "--detailed-exitcode", "-C", "project"]).expect(0);
        run(&["init", "--from-env", "project"]).expect(1);
    }
}

/// Checks that the first line of each YAML file of a project names a schema, that the path leads to a JSON Schema, and
/// that there are `count` such files.
#[track_caller]
fn expect_schemas(project: &std::path::Path, count: usize) {
    let mut found = 0;
    for directory in [project.to_owned(), project.join("services")] {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let line = text.lines().next().unwrap();
                let schema = line.strip_prefix("# yaml-language-server: $schema=").expect(line);
                let schema = std::fs::read_to_string(directory.join(schema)).unwrap();
                let schema: Value = serde_json::from_str(&schema).unwrap();
                assert!(schema["title"].is_string() && schema["$schema"].is_string(), "{path:?}");
                found += 1;
            }
        }
    }
    assert_eq!(found, count);
}

#[test]
fn new_project_works_immediately() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = amigops(home.path());
        command.args(args);
        run_command(command)
    };
    let made = run(&["init", "new"]).expect(0);
    let value = |directory: &str| {
        let text = std::fs::read_to_string(home.path().join(directory).join("amigops.yaml")).unwrap();
        let value = text.split("value: \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{value}");
        value
    };
    assert!(value("new").starts_with("new_"), "{}", value("new"));
    run(&["init", "other/new"]).expect(0);
    assert_ne!(value("new"), value("other/new"), "two projects with one name have two values");
    run(&["init", "--", "-- !"]).expect(0);
    assert!(value("-- !").starts_with("agents_"), "{}", value("-- !"));
    assert!(made.stdout.contains("amigops plan -C new\n  amigops apply -C new"), "{}", made.stdout);
    for args in [["init", "-e", "staging", "third"], ["init", "third", "--env", "staging"]] {
        let refused = run(&args).expect(1);
        assert!(refused.stderr.contains("--env can't be used without --from-env"), "{}", refused.stderr);
    }
    assert!(!home.path().join("third").exists());
    expect_schemas(&home.path().join("new"), 4);
    run(&["validate", "-C", "new"]).expect(0);
    run(&["apply", "--auto-approve", "-C", "new"]).expect(0);
    run(&["plan", "--prune", "--detailed-exitcode", "-C", "new"]).expect(0);
    assert_eq!(std::fs::read_to_string(home.path().join("new/.gitignore")).unwrap(), ".amigops/\n");
    let run = run(&["init", "new"]).expect(1);
    assert!(run.stderr.contains("amigops.yaml, sandbox-seed.yaml"), "{}", run.stderr);
}

#[test]
fn init_from_env_requires_the_variables() {
    let home = tempfile::tempdir().unwrap();
    let mut command = amigops(home.path());
    command.args(["init", "--from-env"]);
    let run = run_command(command).expect(1);
    assert!(run.stderr.contains("AMIGO_ORGANIZATION_ID"), "{}", run.stderr);
    let mut command = amigops(home.path());
    command.args(["init", "--from-env"]).env("AMIGO_ORGANIZATION_ID", "acme");
    run_command(command).expect(1);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "a failed attempt leaves nothing");
}
