//! Tests with real repositories in temporary directories: finding them, and detecting changed files.

use std::fs;
use std::path::Path;

use super::*;
use crate::cli::base;

/// Runs git for a test, without this process's environment variables. Returns the output of git.
fn git(directory: &Path, args: &[&str]) -> String {
    let mut command = std::process::Command::new("git");
    command.env_clear().env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", "/nonexistent");
    command
        .args([
            "-c",
            "user.name=Kim",
            "-c",
            "user.email=kim@example.com",
            "-c",
            "protocol.file.allow=always",
            "-C",
        ])
        .arg(directory)
        .args(args);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn no_variables() -> Env {
    Env::fixed([("", ""); 0])
}

/// Returns the checked-out commit of a project. Assumes that the loader has read no files.
fn commit_of(project: &Path) -> Option<String> {
    base::checked_out_commit(&no_variables(), project, &LoadedFiles { patterns: &[], files: &[] })
}

/// A repository whose directory `care` is a project, with all files committed.
struct Repository {
    top: tempfile::TempDir,
    head: String,
}

impl Repository {
    fn new(init: &[&str], files: &[(&str, &str)]) -> Self {
        let top = tempfile::tempdir().unwrap();
        git(top.path(), &[&["init", "-q"], init].concat());
        let mut repository = Self { top, head: String::new() };
        repository.write("amigops.yaml", "version: 1\n");
        for (path, text) in files {
            repository.write(path, text);
        }
        repository.commit();
        repository
    }

    fn commit(&mut self) {
        git(self.top.path(), &["add", "-A"]);
        git(self.top.path(), &["commit", "-qm", "Change"]);
        self.head = git(self.top.path(), &["rev-parse", "HEAD"]);
    }

    fn project(&self) -> std::path::PathBuf {
        self.top.path().join("care")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[track_caller]
    fn expect_changed(&self, expected: bool, why: &str) {
        let head = &self.head;
        let expected = if expected { format!("{head}+") } else { head.clone() };
        assert_eq!(commit_of(&self.project()), Some(expected), "{why}");
    }
}

#[test]
fn git_output_is_parsed() {
    let id = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
    let file = |path: &str, is_link| Entry { path: path.to_owned(), is_link, id: id.to_owned() };
    assert_eq!(entry(&format!("100644 blob {id}\ta b\tc.yaml"), ""), Some(file("a b\tc.yaml", false)));
    assert_eq!(entry(&format!("120000 blob {id}\tcare/link"), "care/"), Some(file("link", true)));
    assert_eq!(entry(&format!("100644 blob {id}\tother/a.yaml"), "care/"), None);
    assert_eq!(entry(&format!("160000 commit {id}\tsubmodule"), ""), None);
    assert_eq!(entry("", ""), None);
    assert_eq!(object(b"id blob 3\na\nb\nrest", "blob"), Some((&b"a\nb"[..], &b"rest"[..])));
    assert_eq!(object(b"id blob 0\n\n", "blob"), Some((&b""[..], &b""[..])));
    assert_eq!(object(b"id missing\n", "blob"), None);
    assert_eq!(object(b"id blob 9\nshort\n", "blob"), None);
    assert_eq!(object(b"", "blob"), None);
    assert_eq!(object(b"id blob 0\n\n", "commit"), None);
}

#[test]
fn the_commit_is_marked_if_files_of_the_project_have_changed() {
    let top = tempfile::tempdir().unwrap();
    let project = top.path().join("care");
    let of = |path: &Path| commit_of(path);
    fs::create_dir_all(project.join(".amigops")).unwrap();
    assert_eq!(of(&project), None, "no repository");
    git(top.path(), &["init", "-q"]);
    assert_eq!(of(&project), None, "no commit");
    fs::write(project.join("amigops.yaml"), "version: 1").unwrap();
    fs::write(top.path().join("other.yaml"), "").unwrap();
    git(top.path(), &["add", "-A"]);
    git(top.path(), &["commit", "-qm", "Start"]);
    let head = git(top.path(), &["rev-parse", "HEAD"]);
    // Files outside the project, files in hidden directories, and files that are not YAML don't count.
    fs::write(top.path().join("other.yaml"), "changed").unwrap();
    fs::write(project.join(".amigops/state.yaml"), "").unwrap();
    fs::write(project.join("plan.json"), "").unwrap();
    assert_eq!(of(&project), Some(head.clone()));
    let changed = Some(format!("{head}+"));
    fs::write(project.join("amigops.yaml"), "version: 1 # more").unwrap();
    assert_eq!(of(&project), changed, "edited");
    git(top.path(), &["add", "-A"]);
    assert_eq!(of(&project), changed, "staged");
    git(top.path(), &["reset", "-q", "--hard"]);
    assert_eq!(of(&project), Some(head));
    fs::create_dir(project.join("services")).unwrap();
    fs::write(project.join("services/new.yaml"), "").unwrap();
    assert_eq!(of(&project), changed, "added");
    fs::remove_dir_all(project.join("services")).unwrap();
    fs::remove_file(project.join("amigops.yaml")).unwrap();
    assert_eq!(of(&project), changed, "deleted");
}

#[test]
fn line_endings_do_not_count() {
    for init in [&[][..], &["--object-format=sha256"]] {
        let repository = Repository::new(
            init,
            &[("lf.yaml", "a: 1\nb: 2\n"), ("crlf.yaml", "a: 1\r\nb: 2\r\n"), ("mixed.yml", "a\r\nb\nc\r")],
        );
        assert_eq!(repository.head.len(), if init.is_empty() { 40 } else { 64 });
        repository.expect_changed(false, "as it was committed");
        repository.write("lf.yaml", "a: 1\r\nb: 2\r\n");
        repository.expect_changed(false, "CRLF for LF");
        repository.write("crlf.yaml", "a: 1\nb: 2\n");
        repository.write("mixed.yml", "a\nb\r\nc\r");
        repository.expect_changed(false, "LF for CRLF");
        repository.write("mixed.yml", "a\nb\nc\n");
        repository.expect_changed(true, "a CR alone does not end a line");
        repository.write("mixed.yml", "a\nb\r\nc\r");
        repository.write("crlf.yaml", "a: 1\nb: 3\n");
        repository.expect_changed(true, "another value");
    }
}

#[test]
fn ignored_files_and_other_repositories_do_not_count() {
    let mut repository =
        Repository::new(&[], &[(".gitignore", "*.local.yaml\nbuild/\n"), ("a.yaml", "a: 1\n")]);
    repository.write(":(top)[x].local.yaml", "");
    repository.write("build/deep/b.yaml", "");
    repository.expect_changed(false, "ignored");
    repository.write("nested/c.yaml", "");
    repository.expect_changed(true, "one that is not ignored");
    git(&repository.project().join("nested"), &["init", "-q"]);
    repository.expect_changed(false, "another repository's");
    // A file that matches `.gitignore`, but was committed, is compared.
    git(repository.top.path(), &["add", "-f", "care/build/deep/b.yaml"]);
    fs::remove_dir_all(repository.project().join("nested")).unwrap();
    repository.commit();
    repository.expect_changed(false, "as it was committed");
    repository.write("build/deep/b.yaml", "b: 1\n");
    repository.expect_changed(true, "a tracked file");
}

#[test]
fn a_submodule_is_another_repository() {
    let inner = Repository::new(&[], &[]);
    let mut repository = Repository::new(&[], &[]);
    let url = inner.top.path().display().to_string();
    git(&repository.project(), &["submodule", "--quiet", "add", &url, "shared"]);
    repository.commit();
    repository.expect_changed(false, "as it was committed");
    fs::write(repository.project().join("shared/care/amigops.yaml"), "changed").unwrap();
    repository.expect_changed(false, "a submodule's file");
    // A submodule's `.git` is a file, and a project in it belongs to the submodule's repository.
    let within = commit_of(&repository.project().join("shared/care"));
    assert_eq!(within, Some(format!("{}+", inner.head)));
}

#[test]
fn a_file_excluded_by_a_sparse_checkout_does_not_count_as_deleted() {
    let mut repository = Repository::new(&[], &[("a.yaml", "a: 1\n"), ("services/b.yaml", "b: 1\n")]);
    repository.write("docs/c.yaml", "c: 1\n");
    repository.commit();
    git(repository.top.path(), &["sparse-checkout", "set", "--no-cone", "/care/*.yaml", "/care/services/"]);
    assert!(!repository.project().join("docs").exists());
    repository.expect_changed(false, "left out");
    fs::remove_file(repository.project().join("services/b.yaml")).unwrap();
    repository.expect_changed(true, "deleted");
}

#[cfg(unix)]
#[test]
fn a_link_is_compared_as_a_link() {
    use std::os::unix::fs::symlink;
    let mut repository = Repository::new(&[], &[("a.yaml", "a: 1\n"), ("b.yaml", "a: 1\n")]);
    let link = repository.project().join("link.yaml");
    symlink("a.yaml", &link).unwrap();
    repository.commit();
    repository.expect_changed(false, "as it was committed");
    fs::remove_file(&link).unwrap();
    symlink("b.yaml", &link).unwrap();
    repository.expect_changed(true, "it leads elsewhere, to the same bytes");
    fs::remove_file(&link).unwrap();
    fs::write(&link, "a.yaml").unwrap();
    repository.expect_changed(true, "a file with the link's path in it");
    fs::remove_file(&link).unwrap();
    symlink("a.yaml", &link).unwrap();
    let file = repository.project().join("a.yaml");
    fs::remove_file(&file).unwrap();
    symlink("b.yaml", &file).unwrap();
    repository.expect_changed(true, "a link in the place of a file, to the same bytes");
    fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    repository.expect_changed(true, "a pipe in the place of a file");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "a: 1\n").unwrap();
    repository.expect_changed(false, "as it was");
    let directory = repository.project().join("services");
    repository.write("elsewhere/x.yaml", "");
    repository.commit();
    symlink("elsewhere", &directory).unwrap();
    repository.expect_changed(false, "a linked directory is not walked through");
}

#[cfg(unix)]
#[test]
fn a_file_with_a_non_unicode_name_counts_as_changed() {
    use std::os::unix::ffi::OsStrExt;
    let mut repository = Repository::new(&[], &[]);
    let name = std::ffi::OsStr::from_bytes(b"\xff.yaml");
    fs::write(repository.project().join(name), "").unwrap();
    repository.expect_changed(true, "added");
    repository.commit();
    repository.expect_changed(true, "committed");
}

#[test]
fn a_linked_work_tree_has_its_own_commit() {
    let mut repository = Repository::new(&[], &[]);
    let first = repository.head.clone();
    repository.write("a.yaml", "a: 1\n");
    repository.commit();
    git(repository.top.path(), &["worktree", "add", "-q", "trees/one", &first]);
    let project = repository.top.path().join("trees/one/care");
    assert_eq!(commit_of(&project), Some(first));
    repository.expect_changed(false, "the repository's own work tree");
}

#[test]
fn only_a_directory_named_dot_git_is_a_repository() {
    let repository = Repository::new(&[], &[]);
    let project = fs::canonicalize(repository.project()).unwrap();
    let top = project.parent().unwrap().to_owned();
    let place = find::Place { top: top.clone(), git_dir: top.join(".git"), prefix: "care/".to_owned() };
    assert_eq!(find::find(&project), Ok(place.clone()));
    // A bare repository in the project's own directory is ignored.
    git(&project, &["init", "-q", "--bare", "."]);
    assert_eq!(find::find(&project), Ok(place.clone()));
    // An empty `.git` directory is not a repository. Git ignores it, too.
    fs::create_dir(project.join(".git")).unwrap();
    assert_eq!(find::find(&project), Ok(place));
    fs::remove_dir(project.join(".git")).unwrap();
    for (text, why) in [
        ("gitdir: .\n", "names a directory inside the work tree"),
        ("gitdir: ../care\n", "names a directory inside the work tree"),
        ("gitdir: /nonexistent\n", "does not name a repository"),
        ("gitdir: services\n", "does not name a repository"),
        ("elsewhere\n", "does not begin with `gitdir: `"),
        ("", "does not begin with `gitdir: `"),
    ] {
        fs::write(project.join(".git"), text).unwrap();
        let error = find::find(&project).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    // A `.git` file that names a real repository is followed, as in submodules and linked work trees.
    fs::write(project.join(".git"), "gitdir: ../.git\r\n").unwrap();
    let within = find::Place { top: project.clone(), git_dir: top.join(".git"), prefix: String::new() };
    assert_eq!(find::find(&project), Ok(within));
}

/// Checks if the commit is marked with a `+` after the loader read the files `names`. `patterns` are the project's
/// patterns for manifests.
#[track_caller]
fn expect_changed_by_load(repository: &Repository, patterns: &[&str], names: &[&str], expected: bool) {
    let read = |name: &&str| ReadFile::new(name, &fs::read(repository.project().join(name)).unwrap());
    let files: Vec<ReadFile> = names.iter().map(read).collect();
    let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    let loaded = LoadedFiles { patterns: &patterns, files: &files };
    let commit = base::checked_out_commit(&no_variables(), &repository.project(), &loaded).unwrap();
    assert_eq!(commit.ends_with('+'), expected, "{names:?}");
}

#[test]
fn every_byte_that_was_loaded_must_be_in_the_commit() {
    let files = [
        (".gitignore", "*.local.yaml\n"),
        ("services/a.json", "{}\n"),
        ("services/b.json", "{}\n"),
        (".hidden/c.yaml", "c: 1\n"),
        ("crlf.json", "{\r\n}\n"),
    ];
    let repository = Repository::new(&[], &files);
    let patterns = ["services/*.json", ".hidden/*.yaml", "*.json", "*.local.yaml"];
    let check = |names: &[&str], expected| expect_changed_by_load(&repository, &patterns, names, expected);
    let all = ["amigops.yaml", "services/a.json", "services/b.json", ".hidden/c.yaml", "crlf.json"];
    check(&all, false);
    repository.write("crlf.json", "{\n}\n");
    check(&all, false);
    for name in ["services/a.json", ".hidden/c.yaml"] {
        let text = fs::read_to_string(repository.project().join(name)).unwrap();
        repository.write(name, "changed: 1\n");
        check(&all, true);
        repository.write(name, &text);
    }
    repository.write("d.local.yaml", "d: 1\n");
    check(&all, false);
    check(&["d.local.yaml"], true);
    fs::remove_file(repository.project().join("services/b.json")).unwrap();
    check(&["services/a.json"], true);
    git(repository.top.path(), &["reset", "-q", "--hard"]);
    check(&all, false);
}

#[test]
fn a_file_that_changes_after_it_was_loaded_marks_the_commit() {
    let repository = Repository::new(&[], &[("a.json", "{}\n")]);
    let loaded = [ReadFile::new("a.json", b"{\"edited\": 1}\n")];
    let loaded = LoadedFiles { patterns: &[], files: &loaded };
    let commit = base::checked_out_commit(&no_variables(), &repository.project(), &loaded);
    assert_eq!(commit, Some(format!("{}+", repository.head)));
}

#[cfg(unix)]
#[test]
fn links_to_loaded_files_must_be_in_the_commit() {
    use std::os::unix::fs::symlink;
    let mut repository = Repository::new(&[], &[("real/a.yaml", "a: 1\n"), ("other/a.yaml", "a: 1\n")]);
    let link = repository.project().join("services");
    let check = |repository: &Repository, expected| {
        expect_changed_by_load(repository, &["services/*.yaml"], &["services/a.yaml"], expected);
    };
    symlink("real", &link).unwrap();
    check(&repository, true);
    repository.commit();
    check(&repository, false);
    fs::remove_file(&link).unwrap();
    symlink("other", &link).unwrap();
    check(&repository, true);
}

#[test]
fn a_loaded_file_of_another_repository_marks_the_commit() {
    let repository = Repository::new(&[], &[]);
    repository.write("nested/a.yaml", "a: 1\n");
    git(&repository.project().join("nested"), &["init", "-q"]);
    repository.expect_changed(false, "nothing was loaded from it");
    expect_changed_by_load(&repository, &["nested/*.yaml"], &["nested/a.yaml"], true);
}
