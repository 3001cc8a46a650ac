//! The schemas in `schema/` and the reference in `docs/`: up to date, and true of the loader.

mod documents;
mod keys;
mod samples;

use std::path::{Path, PathBuf};

use amigops::schema::{File, reference};
use serde_json::Value;

/// What renews them.
const RENEW: &str = "cargo run -- schema --out schema --docs docs/manifest.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every schema within a schema.
fn each<'a>(schema: &'a Value, see: &mut impl FnMut(&'a Value)) {
    match schema {
        Value::Object(members) => {
            see(schema);
            let schemas =
                members.iter().filter(|(key, _)| !matches!(key.as_str(), "examples" | "default" | "enum"));
            schemas.for_each(|(_, value)| each(value, see));
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, see)),
        _ => {}
    }
}

#[test]
fn the_files_are_up_to_date() {
    for file in File::ALL {
        let kept = std::fs::read_to_string(root().join("schema").join(file.file_name())).unwrap_or_default();
        assert!(kept == file.text(), "{} is stale: {RENEW}", file.file_name());
    }
    let there: Vec<_> = std::fs::read_dir(root().join("schema")).unwrap().map(Result::unwrap).collect();
    assert_eq!(there.len(), File::ALL.len(), "{there:?}");
}

#[test]
fn the_reference_is_up_to_date() {
    let page = std::fs::read_to_string(root().join("docs/manifest.md")).unwrap();
    assert!(reference::renew(&page).unwrap() == page, "docs/manifest.md is stale: {RENEW}");
}

#[test]
fn the_reference_keeps_what_is_written_by_hand() {
    let page = "before\n<!-- keys of escalation_policy: how -->\nold\n<!-- end -->\nbetween\n";
    let renewed = reference::renew(page).unwrap();
    assert!(renewed.starts_with("before\n<!-- keys of escalation_policy: how -->\n\n| key |"), "{renewed}");
    assert!(renewed.ends_with("|\n\n<!-- end -->\nbetween\n") && !renewed.contains("old"), "{renewed}");
    assert_eq!(reference::renew(&renewed).as_ref(), Ok(&renewed));
    assert!(reference::renew("<!-- keys of nothing -->\n<!-- end -->").is_err());
    assert!(reference::renew("<!-- keys of service -->\n").is_err());
}

/// What makes completion useful: every key says what it is for, and objects take no other keys.
#[test]
fn every_key_is_described_and_every_object_closed() {
    for file in File::ALL {
        let schema = file.schema();
        each(&schema, &mut |part| {
            let Some(members) = part["properties"].as_object() else { return };
            // Nobody writes plans: what is more in one breaks its fingerprint.
            let is_closed = file == &File::Plan || part["additionalProperties"] == false;
            assert!(is_closed, "{}: {members:?}", file.name());
            for (name, member) in members {
                let said = member["description"].as_str().unwrap_or_default();
                // What a step does is described by its kind, in the words of its branch.
                let words = member.get("$ref").is_some() || member.get("const").is_some() || name == "does";
                assert!(
                    words || said.ends_with(['.', '…', ':', '`', ')']),
                    "{}: {name}: {said:?}",
                    file.name()
                );
                assert!(!said.contains('\n'), "{name}: {said:?}");
            }
        });
    }
}

/// The first line of an example tells an editor which schema it has.
#[test]
fn examples_name_their_schemas() {
    for example in ["quickstart", "clinic", "voice"] {
        for entry in walkdir::WalkDir::new(root().join("examples").join(example)) {
            let entry = entry.unwrap();
            if entry.path().extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let named =
                text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
            let schema = entry.path().parent().unwrap().join(named.unwrap_or_default());
            let expected = match entry.file_name().to_str().unwrap() {
                "amigops.yaml" => File::Project,
                "sandbox-seed.yaml" => File::Seed,
                _ => File::Service,
            };
            let expected = root().join("schema").join(expected.file_name()).canonicalize().unwrap();
            assert_eq!(schema.canonicalize().ok(), Some(expected), "{}", entry.path().display());
        }
    }
}
