//! Tests of `validate PATHS`: the problems of the selected files, and paths that are not files of the project.

use super::validate;
use crate::manifest::{Case, PROJECT, SERVICE};

const BAD: &str = "service: B\nagent: X\ncontext_graph: Y\ncolour: red\n";

/// Creates a project in which `a.yaml` is valid, `b.yaml` is broken, and `deep/c.yaml` declares the service A again.
fn case() -> Case {
    Case::new(&[
        ("amigops.yaml", PROJECT),
        ("services/a.yaml", SERVICE),
        ("services/b.yaml", BAD),
        ("services/deep/c.yaml", SERVICE),
        ("services/deep/d.yaml", &SERVICE.replace("A\n", "D\n")),
        ("notes/e.yaml", "not: a manifest\n"),
    ])
}

#[test]
fn only_problems_of_selected_paths_are_reported() {
    let case = case();
    let all = validate(case.path(), &[]).expect(1);
    assert!(all.stderr.contains("AG012") && all.stderr.contains("AG040"), "{}", all.stderr);

    let one = validate(case.path(), &["services/b.yaml"]).expect(1);
    assert!(one.stderr.contains("1 problem in 1 file") && one.stderr.contains("AG012"), "{}", one.stderr);

    let below = validate(case.path(), &["services/deep"]).expect(1);
    assert!(
        below.stderr.contains("1 problem in 1 file") && below.stderr.contains("AG040"),
        "{}",
        below.stderr
    );

    // The duplicate is in another file, but its problem refers to the selected file, so it is reported.
    let first = validate(case.path(), &["services/a.yaml"]).expect(1);
    assert!(first.stderr.contains("services/deep/c.yaml:1:10"), "{}", first.stderr);

    let good = validate(case.path(), &["services/deep/d.yaml"]).expect(0);
    assert_eq!(good.stdout, "valid: 1 service in 1 file\n");
    let project = validate(case.path(), &["amigops.yaml"]).expect(0);
    assert_eq!(project.stdout, "valid: 0 services in 1 file\n");
    validate(case.path(), &["."]).expect(1);
}

#[test]
fn paths_are_relative_to_the_working_directory() {
    let case = case();
    let deep = case.path().join("services/deep");
    validate(&deep, &["d.yaml"]).expect(0);
    validate(&deep, &["../b.yaml"]).expect(1);
    let elsewhere = tempfile::tempdir().unwrap();
    let (root, file) = (case.path().to_str().unwrap(), deep.join("d.yaml"));
    validate(elsewhere.path(), &["-C", root, file.to_str().unwrap()]).expect(0);
    let wrong = validate(elsewhere.path(), &["-C", root, "services/b.yaml"]).expect(1);
    assert!(wrong.stderr.contains("AG062"), "{}", wrong.stderr);
}

#[test]
fn path_outside_the_manifests_is_an_error() {
    let case = case();
    let outside = tempfile::tempdir().unwrap();
    let outside = outside.path().to_str().unwrap();
    for (path, words) in [
        ("services/none.yaml", "can't be read: No such file or directory"),
        ("notes/e.yaml", "`notes/e.yaml` is not a manifest of this project"),
        ("notes", "`notes` contains no manifest of this project"),
        (outside, "contains no manifest of this project"),
    ] {
        let run = validate(case.path(), &[path, "services/deep/d.yaml"]).expect(1);
        assert!(run.stderr.contains("error[AG062]") && run.stderr.contains(words), "{path}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{path}: no result is printed");
    }
}

#[test]
fn broken_project_file_is_always_reported() {
    let case = case();
    case.write("amigops.yaml", b"version: 1\nmanifests: [\n");
    let run = validate(case.path(), &["services/deep/d.yaml"]).expect(1);
    assert!(run.stderr.contains("AG005") && !run.stderr.contains("AG062"), "{}", run.stderr);
    case.write("amigops.yaml", PROJECT.replace("version: 1", "version: 2").as_bytes());
    let run = validate(case.path(), &["services/deep/d.yaml"]).expect(1);
    assert!(run.stderr.contains("AG015 ") || run.stderr.contains("AG015]"), "{}", run.stderr);
    let unknown = validate(case.path(), &["-e", "nowhere", "services/deep/d.yaml"]).expect(1);
    assert!(unknown.stderr.contains("AG050"), "{}", unknown.stderr);
}

#[cfg(unix)]
#[test]
fn linked_manifests_are_known_by_the_name_of_the_link() {
    use std::os::unix::fs::symlink;
    let case = case();
    case.write("common/l.yaml", BAD.replace("B\n", "L\n").as_bytes());
    symlink("../common/l.yaml", case.path().join("services/l.yaml")).unwrap();
    symlink("nowhere.yaml", case.path().join("services/broken.yaml")).unwrap();
    symlink("/etc/hostname", case.path().join("services/out.yaml")).unwrap();
    for (path, code) in
        [("services/l.yaml", "AG012"), ("services/broken.yaml", "AG002"), ("services/out.yaml", "AG008")]
    {
        let run = validate(case.path(), &[path]).expect(1);
        assert!(run.stderr.contains(code) && run.stderr.contains("1 problem"), "{path}: {}", run.stderr);
    }
    let run = validate(case.path(), &["common/l.yaml"]).expect(1);
    assert!(run.stderr.contains("AG062"), "{}", run.stderr);
}
