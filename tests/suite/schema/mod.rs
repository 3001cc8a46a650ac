//! Tests that the schemas in `schema/` and the reference in `docs/` are up to date and match the loader.

mod documents;
mod keys;
mod samples;

use std::path::{Path, PathBuf};

use amigops::schema::{SchemaFile, reference};
use serde_json::Value;

/// The command that updates the schemas and the reference.
const RENEW: &str = "cargo run -- schema --out schema --docs docs/manifest.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Calls `see` for a schema and for each of its subschemas.
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
fn schema_files_are_up_to_date() {
    for file in SchemaFile::ALL {
        let committed =
            std::fs::read_to_string(root().join("schema").join(file.file_name())).unwrap_or_default();
        assert!(committed == file.text(), "{} is stale: {RENEW}", file.file_name());
    }
    let there: Vec<_> = std::fs::read_dir(root().join("schema")).unwrap().map(Result::unwrap).collect();
    assert_eq!(there.len(), SchemaFile::ALL.len(), "{there:?}");
}

#[test]
fn reference_is_up_to_date() {
    let page = std::fs::read_to_string(root().join("docs/manifest.md")).unwrap();
    assert!(reference::renew(&page).unwrap() == page, "docs/manifest.md is stale: {RENEW}");
}

#[test]
fn reference_keeps_hand_written_text() {
    let page = "before\n<!-- keys of escalation_policy: how -->\nold\n<!-- end -->\nbetween\n";
    let renewed = reference::renew(page).unwrap();
    assert!(renewed.starts_with("before\n<!-- keys of escalation_policy: how -->\n\n| key |"), "{renewed}");
    assert!(renewed.ends_with("|\n\n<!-- end -->\nbetween\n") && !renewed.contains("old"), "{renewed}");
    assert_eq!(reference::renew(&renewed).as_ref(), Ok(&renewed));
    assert!(reference::renew("<!-- keys of nothing -->\n<!-- end -->").is_err());
    assert!(reference::renew("<!-- keys of service -->\n").is_err());
}

/// Every key in the schemas must have a description, and every object must refuse unknown keys. Editors need both for
/// completion.
#[test]
fn every_key_is_described_and_every_object_closed() {
    for file in SchemaFile::ALL {
        let schema = file.schema();
        each(&schema, &mut |part| {
            let Some(members) = part["properties"].as_object() else { return };
            // Plans are exempt: users don't write them, and an unknown key in a plan changes its fingerprint.
            let is_closed = file == &SchemaFile::Plan || part["additionalProperties"] == false;
            assert!(is_closed, "{}: {members:?}", file.name());
            for (name, member) in members {
                let description = member["description"].as_str().unwrap_or_default();
                // The kinds of a step are described in the branches of the schema.
                let words = member.get("$ref").is_some() || member.get("const").is_some() || name == "does";
                assert!(
                    words || description.ends_with(['.', '…', ':', '`', ')']),
                    "{}: {name}: {description:?}",
                    file.name()
                );
                assert!(!description.contains('\n'), "{name}: {description:?}");
            }
        });
    }
}

/// The first line of each example file must name the file's schema, so that editors find it.
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
                "amigops.yaml" => SchemaFile::Project,
                "sandbox-seed.yaml" => SchemaFile::Seed,
                _ => SchemaFile::Service,
            };
            let expected = root().join("schema").join(expected.file_name()).canonicalize().unwrap();
            assert_eq!(schema.canonicalize().ok(), Some(expected), "{}", entry.path().display());
        }
    }
}
