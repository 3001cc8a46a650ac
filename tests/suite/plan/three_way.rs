//! Tests of `--base` with real Git repositories and the real binary: the cause of each change.

use std::path::PathBuf;

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, Run, amigops, run_command, run_git, service};
use crate::on_both_apis;

impl Lab {
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        run_git(&self.path(), args)
    }

    /// Commits all files of the project.
    pub(crate) fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "Change"]);
    }

    fn plan(&self, base: &str) -> Run {
        self.run(&["plan", "--base", base])
    }
}

/// Returns the manifest of Desk with these two tags. Tests change the tags in manifests, in commits and in the live
/// state.
pub(super) fn desk(tier: &str, team: &str) -> String {
    service("Desk", &format!("tags: {{tier: {tier}, team: {team}}}\n"))
}

/// Creates a lab with a repository. `main` declares Desk, and was applied. Another branch is checked out.
pub(super) fn branched(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&desk("gold", "care"));
    lab.git(&["init", "-q"]);
    lab.commit();
    lab.apply().expect(0);
    lab.git(&["checkout", "-qb", "topic"]);
    lab
}

pub(super) fn set_live(lab: &Lab, tag: &str, value: &str) {
    let id = lab.active("Desk").id;
    lab.change(&id, |service| drop(service.tags.insert(tag.to_owned(), Some(value.to_owned()))));
}

#[track_caller]
fn line<'a>(run: &'a Run, start: &str) -> &'a str {
    let found = run.stdout.lines().find(|line| line.trim_start().starts_with(start));
    found.unwrap_or_else(|| panic!("no line begins with {start}:\n{}\n{}", run.stdout, run.stderr))
}

const DRIFT: &str = "drift: the live value differs from the base";
const CONFLICT: &str = "conflict: live value, base and manifest all differ";
const BEHIND: &str = "behind: merge the base branch, which keeps the live value";

on_both_apis! {
    fn each_change_shows_its_cause(api: Api) {
        let lab = branched(api);
        lab.manifests(&desk("platinum", "care"));
        lab.commit();
        set_live(&lab, "team", "sales");
        let writes = lab.writes().len();
        let run = lab.plan("main").expect(0);
        let base = lab.git(&["rev-parse", "--short=10", "main"]);
        assert!(line(&run, "amigops plan").ends_with(&format!(" · base main ({base})")), "{}", run.stdout);
        assert!(line(&run, "tags.tier").ends_with("gold → platinum"), "{}", run.stdout);
        assert!(line(&run, "tags.team").ends_with(&format!("sales → care   {DRIFT}")), "{}", run.stdout);
        set_live(&lab, "tier", "silver");
        let run = lab.plan("main").expect(3);
        assert!(line(&run, "tags.tier").ends_with(&format!("silver → platinum   {CONFLICT}")), "{}", run.stdout);
        assert_eq!(lab.writes().len(), writes, "planning writes nothing");
        // Without `--base`, the commit in the tag `origin` is the base. It is the same commit here.
        let without = lab.run(&["plan"]).expect(3);
        let shown = without.stdout.replacen("1 declared\n", &format!("1 declared · base main ({base})\n"), 1);
        assert_eq!((shown, without.stderr), (run.stdout, run.stderr));
        // Without such tags, the plan has no causes, and nothing is refused.
        lab.project("ownership: {value: amigops, origin: false}\n");
        let run = lab.run(&["plan"]).expect(0);
        assert!(!run.stdout.contains("drift") && !run.stdout.contains("base"), "{}", run.stdout);
    }

    fn an_apply_refuses_conflicts_without_the_flag(api: Api) {
        let lab = branched(api);
        lab.manifests(&desk("platinum", "care"));
        lab.commit();
        set_live(&lab, "tier", "silver");
        let writes = lab.writes().len();
        let run = lab.run(&["apply", "--auto-approve", "--base", "main"]).expect(3);
        assert_eq!(lab.writes().len(), writes, "nothing is sent");
        for part in [
            "refused: `Desk`: `tags.tier` is `silver` live and `platinum` in the manifest, and both differ from the base",
            "amigops import",
            "--overwrite-drift",
            "nothing was sent",
        ] {
            assert!(run.stderr.contains(part), "{part}:\n{}", run.stderr);
        }
        lab.run(&["apply", "--auto-approve", "--base", "main", "--overwrite-drift"]).expect(0);
        assert_eq!(lab.active("Desk").tags["tier"].as_deref(), Some("platinum"));
    }

    fn drift_alone_is_not_a_conflict(api: Api) {
        let lab = branched(api);
        set_live(&lab, "tier", "silver");
        lab.run(&["apply", "--auto-approve", "--base", "main"]).expect(0);
        assert_eq!(lab.active("Desk").tags["tier"].as_deref(), Some("gold"));
        lab.expect_converged();
    }

    fn a_branch_that_is_behind_is_a_conflict(api: Api) {
        let lab = branched(api);
        // `main` gets a new commit, which is applied: it has another tier and a new service.
        lab.git(&["checkout", "-q", "main"]);
        lab.manifests(&[desk("platinum", "care"), service("Shop", "")].join("---\n"));
        lab.commit();
        lab.apply().expect(0);
        lab.git(&["checkout", "-q", "topic"]);
        let run = lab.run(&["plan", "--base", "main", "--prune"]).expect(3);
        assert!(line(&run, "tags.tier").ends_with(&format!("platinum → gold   {BEHIND}")), "{}", run.stdout);
        assert!(run.stdout.contains("behind: merge the base branch first, because it declares this service"), "{}", run.stdout);
        let last = "  ⚠ 2 conflicts: `amigops apply` refuses them unless --overwrite-drift is given\n";
        assert!(run.stdout.ends_with(last), "{}", run.stdout);
        // A removed block counts as one conflict, even if it has several values.
        let text = lab.run(&["plan", "--base", "main", "--prune", "--format", "markdown"]).expect(3).stdout;
        assert!(text.contains("### Conflicts: 2\n\n`apply` refuses a plan with conflicts"), "{text}");
        assert_eq!(text.matches("\n! behind: ").count(), 2, "{text}");
        let page = lab.run(&["plan", "--base", "main", "--prune", "--format", "html"]).expect(3).stdout;
        assert!(page.contains(">2 conflicts</p>") && page.contains("unless --overwrite-drift is given"), "{page}");
        let writes = lab.writes().len();
        let run = lab.run(&["apply", "--auto-approve", "--base", "main", "--prune"]).expect(3);
        assert_eq!(lab.writes().len(), writes, "nothing is sent");
        for part in [
            "`Shop` would be retired, but the base branch declares this service: this branch is behind",
            "`Desk`: `tags.tier` is `platinum` live and in the base branch",
            "merge the base branch into this one",
        ] {
            assert!(run.stderr.contains(part), "{part}:\n{}", run.stderr);
        }
        // After the merge of `main`, the branch has nothing to do.
        lab.git(&["merge", "-q", "main"]);
        lab.run(&["plan", "--base", "main", "--prune", "--detailed-exitcode"]).expect(0);
    }

    fn a_name_that_only_the_base_uses_costs_one_list_request(api: Api) {
        let lab = branched(api);
        let text = |agent: &str, graph: &str| {
            format!("service: Desk\ndescription: The Desk\nagent: {agent}\ncontext_graph: {graph}\n")
        };
        let id = |name: &str| format!("{{id: {}}}", lab.agent_id(name));
        let graph = format!("{{id: {}}}", lab.active("Desk").context_graph_id);
        lab.manifests(&text(&id("Two"), &graph));
        let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
        lab.project("ownership: {value: amigops, origin: false}\n");
        let run = lab.run(&["plan"]).expect(0);
        assert!(run.stdout.contains("agent"), "{}", run.stdout);
        let without = lab.hooks.count();
        lab.write("amigops.yaml", &project);
        let run = lab.plan("main").expect(0);
        assert!(!run.stdout.contains("drift") && !run.stdout.contains("conflict"), "{}", run.stdout);
        assert_eq!(lab.hooks.count(), without + 1, "the agents' names");
        // The base declares the agent Old, but the live agent is One.
        lab.manifests(&text("Old", "Flow"));
        lab.commit();
        lab.manifests(&text(&id("Two"), &graph));
        let run = lab.plan("HEAD").expect(3);
        assert!(line(&run, "agent").ends_with(CONFLICT), "{}", run.stdout);
    }
}

#[test]
fn a_service_deleted_live_is_drift() {
    let lab = branched(Api::Classic);
    let id = lab.active("Desk").id;
    lab.change(&id, |service| {
        service.is_active = false;
        service.tags.clear();
    });
    let run = lab.plan("main").expect(0);
    assert!(
        line(&run, "cause").ends_with("drift: the base declares this service, but the live service is gone"),
        "{}",
        run.stdout
    );
}

#[test]
fn files_can_be_moved_and_documents_removed() {
    let lab = branched(Api::Classic);
    lab.write("services/other.yaml", &service("Shop", ""));
    lab.commit();
    lab.apply().expect(0);
    // The manifest is moved to another file. A service is identified by its name, so its causes stay the same.
    lab.git(&["mv", "services/all.yaml", "services/desk.yaml"]);
    set_live(&lab, "tier", "silver");
    let run = lab.plan("HEAD").expect(0);
    assert!(line(&run, "tags.tier").ends_with(DRIFT), "{}", run.stdout);
    // The manifest is deleted on this branch, so the retirement is this branch's own change. The plan shows no cause
    // for it.
    lab.git(&["rm", "-q", "services/other.yaml"]);
    let run = lab.run(&["plan", "--base", "HEAD", "--prune"]).expect(0);
    assert!(run.stdout.contains("1 to retire") && !run.stdout.contains("cause"), "{}", run.stdout);
    // The base does not declare the service either, so the cause is drift.
    lab.commit();
    let run = lab.run(&["plan", "--base", "HEAD", "--prune"]).expect(0);
    assert!(
        line(&run, "cause").ends_with("drift: neither the base nor the base branch declares this service"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_project_can_be_a_directory_of_its_repository() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&desk("gold", "care"));
    lab.apply().expect(0);
    let top = tempfile::tempdir().unwrap();
    let project = top.path().join("teams/care: [v1] é");
    std::fs::create_dir_all(project.parent().unwrap()).unwrap();
    std::fs::rename(lab.path(), &project).unwrap();
    run_git(top.path(), &["init", "-q"]);
    std::fs::write(top.path().join("amigops.yaml"), "no project").unwrap();
    run_git(top.path(), &["add", "-A"]);
    run_git(top.path(), &["commit", "-qm", "Start"]);
    set_live(&lab, "team", "sales");
    std::fs::write(project.join("services/all.yaml"), desk("platinum", "care")).unwrap();
    let mut command = amigops(top.path());
    command.args(["plan", "--base", "HEAD", "-C"]).arg(project.join("services"));
    // A Git hook sets these variables for its commands. They must not lead git to another repository.
    command.envs([("GIT_DIR", "/nonexistent"), ("GIT_INDEX_FILE", "/nonexistent/index")]);
    command.envs([
        ("AMIGO_API_KEY", "s3cret-key"),
        ("AMIGO_API_KEY_ID", "key-id"),
        ("AMIGO_USER_ID", "user-1"),
    ]);
    let run = run_command(command).expect(0);
    assert!(line(&run, "tags.tier").ends_with("gold → platinum"), "{}", run.stdout);
    assert!(line(&run, "tags.team").ends_with(DRIFT), "{}", run.stdout);
    assert_eq!(
        run_git(top.path(), &["status", "--porcelain"]).lines().count(),
        1,
        "nothing of it was touched"
    );
    std::fs::rename(&project, lab.path()).unwrap();
}

#[test]
fn linked_manifests_are_read_from_the_base_commit() {
    let lab = branched(Api::Classic);
    lab.git(&["mv", "services/all.yaml", "desk.yaml"]);
    std::os::unix::fs::symlink("../desk.yaml", lab.path().join("services/all.yaml")).unwrap();
    lab.commit();
    set_live(&lab, "team", "sales");
    let run = lab.plan("HEAD").expect(0);
    assert!(line(&run, "tags.team").ends_with(DRIFT), "{}\n{}", run.stdout, run.stderr);
}

#[test]
fn an_unknown_reference_is_an_error_with_a_fetch_command() {
    let lab = branched(Api::Classic);
    for (reference, hint) in [
        ("origin/main", "git fetch --depth=1 origin +main:refs/remotes/origin/main"),
        ("nowhere", "git branch --all"),
        // These values must not be interpreted as options or expressions, but only as names.
        ("--output=planted", "git branch --all"),
        ("-n", "git branch --all"),
        ("^main", "git branch --all"),
        ("main..topic", "git branch --all"),
        ("$(touch planted)", "git branch --all"),
        ("", "git branch --all"),
    ] {
        let base = format!("--base={reference}");
        let run = lab.run(&["plan", &base]).expect(1);
        assert!(
            run.stderr.contains("this clone has no commit named") && run.stderr.contains(hint),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("shallow"), "{}", run.stderr);
    }
    assert!(!lab.path().join("planted").exists());
    assert_eq!(lab.hooks.count(), 0, "nothing is asked of the API");
}

#[test]
fn base_without_a_repository_is_an_error() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.run(&["plan"]).expect(0);
    let run = lab.plan("main").expect(1);
    assert!(run.stderr.contains("is not in a readable Git work tree"), "{}", run.stderr);
    assert!(run.stderr.contains("run it in a clone of the project's repository"), "{}", run.stderr);
    lab.git(&["init", "-q"]);
    let run = lab.plan("main").expect(1);
    assert!(run.stderr.contains("but this repository has no commits"), "{}", run.stderr);
    let mut command = amigops(&lab.path());
    command.args(["plan", "--base", "main"]).env("PATH", "/nonexistent");
    let run = run_command(command).expect(1);
    assert!(
        run.stderr.contains("can't find the command `git`") && run.stderr.contains("install"),
        "{}",
        run.stderr
    );
}

/// Creates a shallow clone with the branch `topic` of the pull request. Fetches `main` with the option `fetch_main`,
/// unless that is empty.
fn shallow(lab: &Lab, fetch_main: &str) -> tempfile::TempDir {
    let clone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", lab.path().display());
    run_git(clone.path(), &["clone", "-q", "--depth=1", "--branch=topic", &url, "."]);
    if !fetch_main.is_empty() {
        run_git(clone.path(), &["fetch", "-q", fetch_main, "origin", "+main:refs/remotes/origin/main"]);
    }
    clone
}

fn run_in(clone: &tempfile::TempDir, args: &[&str]) -> Run {
    let mut command = amigops(clone.path());
    command.args(args).envs([
        ("AMIGO_API_KEY", "s3cret-key"),
        ("AMIGO_API_KEY_ID", "key-id"),
        ("AMIGO_USER_ID", "user-1"),
    ]);
    run_command(command)
}

#[test]
fn a_shallow_clone_is_compared_as_far_as_possible() {
    let lab = branched(Api::Classic);
    lab.manifests(&desk("platinum", "care"));
    lab.commit();
    set_live(&lab, "team", "sales");
    let args = ["plan", "--base", "origin/main"];
    let run = run_in(&shallow(&lab, ""), &args).expect(1);
    for part in ["fetch --depth=1 origin +main", "shallow", "fetch-depth: 0"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    // `main` was fetched as the hint says, but the common ancestor of both branches is missing.
    let run = run_in(&shallow(&lab, "--depth=1"), &args).expect(0);
    assert!(run.stderr.contains("note: this clone is too shallow"), "{}", run.stderr);
    assert!(line(&run, "tags.tier").ends_with("gold → platinum"), "{}", run.stdout);
    assert!(line(&run, "tags.team").ends_with(DRIFT), "{}", run.stdout);
    // If the clone has the common ancestor, there is no note.
    let clone = shallow(&lab, "--depth=1");
    run_git(clone.path(), &["fetch", "-q", "--deepen=5", "origin", "topic"]);
    let run = run_in(&clone, &args).expect(0);
    assert!(!run.stderr.contains("shallow"), "{}", run.stderr);
    assert!(line(&run, "tags.team").ends_with(DRIFT), "{}", run.stdout);
}

#[test]
fn branches_without_a_common_ancestor_cannot_be_compared() {
    let lab = branched(Api::Classic);
    lab.git(&["checkout", "-q", "--orphan", "other"]);
    lab.manifests(&desk("platinum", "care"));
    lab.commit();
    let run = lab.plan("main").expect(1);
    assert!(run.stderr.contains("`main` and HEAD share no commit"), "{}", run.stderr);
}

#[test]
fn a_base_without_the_environment_is_empty() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&desk("gold", "care"));
    let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
    lab.git(&["init", "-q"]);
    // Three bases: a commit without a project, a commit whose project lacks the environment, and a commit in which the
    // environment was another organization's.
    std::fs::rename(lab.path().join("amigops.yaml"), lab.path().join("later")).unwrap();
    lab.commit();
    let _ = std::fs::remove_file(lab.path().join("later"));
    lab.write("amigops.yaml", &project.replace("lab", "older"));
    lab.commit();
    lab.write("amigops.yaml", &project.replace("acme", "former"));
    lab.commit();
    lab.write("amigops.yaml", &project);
    lab.apply().expect(0);
    set_live(&lab, "tier", "silver");
    for (base, what) in [
        ("HEAD~2", "the project did not exist"),
        ("HEAD~1", "environment `lab` did not exist"),
        ("HEAD", "environment `lab` was a different organization or workspace"),
    ] {
        let run = lab.plan(base).expect(0);
        assert!(run.stderr.contains(what), "{}", run.stderr);
        assert!(line(&run, "tags.tier").ends_with("silver → gold"), "{}", run.stdout);
    }
    // A project without manifests is valid at the base.
    lab.git(&["rm", "-q", "--cached", "services/all.yaml"]);
    lab.git(&["commit", "-qam", "None yet"]);
    let run = lab.plan("HEAD").expect(0);
    assert!(line(&run, "tags.tier").ends_with("silver → gold") && run.stderr.is_empty(), "{}", run.stderr);
}

#[test]
fn a_base_with_problems_gives_no_causes_and_refuses_an_apply() {
    let lab = branched(Api::Classic);
    lab.manifests("service: Desk\nagnet: One\n");
    lab.commit();
    lab.manifests(&desk("platinum", "care"));
    let run = lab.plan("HEAD").expect(0);
    assert!(
        run.stderr.contains("warning: can't read the manifests at") && run.stderr.contains("agnet"),
        "{}",
        run.stderr
    );
    assert!(!run.stdout.contains("base"), "{}", run.stdout);
    let writes = lab.writes().len();
    let run = lab.run(&["apply", "--auto-approve", "--base", "HEAD"]).expect(1);
    assert!(run.stderr.contains("conflicts with live changes can't be detected"), "{}", run.stderr);
    assert_eq!(lab.writes().len(), writes, "nothing is sent");
    lab.run(&["apply", "--auto-approve", "--base", "HEAD", "--overwrite-drift"]).expect(0);
}

#[test]
fn the_index_and_the_work_tree_are_not_changed() {
    let lab = branched(Api::Classic);
    lab.write("services/more.yaml", &service("Shop", ""));
    lab.git(&["add", "services/more.yaml"]);
    lab.manifests(&desk("platinum", "care"));
    let index = lab.path().join(".git/index");
    let touched: PathBuf = lab.path().join("services/all.yaml");
    // The file gets a new modification time, which `git status` would write to the index. amigops must not change the
    // index.
    let text = std::fs::read(&touched).unwrap();
    std::fs::write(&touched, text).unwrap();
    let before = (std::fs::read(&index).unwrap(), lab.git(&["for-each-ref"]));
    lab.plan("main").expect(0);
    assert!(
        before == (std::fs::read(&index).unwrap(), lab.git(&["for-each-ref"])),
        "git's files have changed"
    );
}

/// Git can be slow in a large repository, so a command that does not show the commit must not run git.
#[cfg(unix)]
#[test]
fn ids_works_without_git() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.write("bin/git", &format!("#!/bin/sh\n: > {}/asked\nexit 1\n", lab.path().display()));
    let git = lab.path().join("bin/git");
    std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = git.parent().unwrap().to_str().unwrap();
    lab.run_with(&["ids"], &[("PATH", path)]).expect(0);
    assert!(!lab.path().join("asked").exists());
    lab.run_with(&["plan"], &[("PATH", path)]).expect(0);
    assert!(!lab.path().join("asked").exists(), "there is no repository");
    lab.git(&["init", "-q"]);
    lab.run_with(&["ids"], &[("PATH", path)]).expect(0);
    assert!(!lab.path().join("asked").exists());
    lab.run_with(&["plan"], &[("PATH", path)]).expect(0);
    assert!(lab.path().join("asked").exists(), "a plan names the commit of its manifests");
}
