//! Tests of how git is started: its path, its environment variables, and repositories of other users.

use std::fs;

use amigops::model::Api;

use super::{Trap, clinic, program, wrapper};
use crate::harness::{run_git, service};

#[test]
fn git_is_not_searched_for_in_the_checkout() {
    let lab = clinic(Api::Classic);
    let trap = Trap::set();
    for place in ["git", "bin/git", "clinic/git", "clinic/bin/git"] {
        program(&lab.path().join(place), &trap.mark());
    }
    let head = run_git(&lab.path(), &["rev-parse", "HEAD"]);
    for path in [":/usr/bin:/bin", ".:/usr/bin:/bin", "bin:./bin:../bin:/usr/bin:/bin", "/usr/bin:/bin:"] {
        for args in [&["plan", "-C", "clinic", "--format", "json"][..], &["drift", "-C", "clinic"]] {
            let run = lab.run_with(args, &[("PATH", path)]).expect(0);
            assert_eq!(trap.take(), None, "PATH={path}: the checkout's git has run");
            assert!(args[0] == "drift" || run.stdout.contains(&head), "{}", run.stdout);
        }
    }
    let run = lab.run_with(&["plan", "-C", "clinic", "--base", "HEAD"], &[("PATH", "bin:.")]).expect(1);
    assert!(run.stderr.contains("can't find the command `git`"), "{}", run.stderr);
    assert_eq!(trap.take(), None, "the checkout's git has run");
}

/// The commands of git that amigops uses.
const COMMANDS: &[&str] =
    &["rev-parse", "merge-base", "ls-tree", "cat-file --batch", "ls-files -z -t", "check-ignore"];
/// The environment variables that git may get.
const VARIABLES: &[&str] = &[
    "GIT_ALLOW_PROTOCOL",
    "GIT_ATTR_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_KEY_0",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_VALUE_0",
    "GIT_NO_LAZY_FETCH",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OPTIONAL_LOCKS",
    "GIT_PAGER",
    "GIT_TERMINAL_PROMPT",
    "GIT_TRACE2",
    "GIT_TRACE2_EVENT",
    "GIT_TRACE2_PERF",
    "HOME",
    "LC_ALL",
    "PATH",
    // The shell that runs the wrapper sets these variables.
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
];

/// Runs commands of amigops with a wrapper that logs the arguments and variables of git. Only listed arguments and
/// variables may be in the log.
#[test]
fn git_gets_only_the_listed_variables_and_commands() {
    let lab = clinic(Api::Classic);
    run_git(&lab.path(), &["checkout", "-qb", "topic"]);
    lab.write("clinic/services/all.yaml", &service("Desk", "tags: {tier: silver}\n"));
    run_git(&lab.path(), &["commit", "-qam", "Silver"]);
    // The project gets files about which amigops asks git more questions: an added file, a missing file, and a file
    // with other line ends.
    lab.write("clinic/added.yaml", "");
    let log = tempfile::tempdir().unwrap();
    let path = log.path().display();
    let git = wrapper(&format!("/usr/bin/env >> '{path}/variables'\necho \"$*\" >> '{path}/commands'"));
    let variables = [
        ("PATH", git.path().to_str().unwrap()),
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "http.extraHeader"),
        ("GIT_CONFIG_VALUE_0", "Authorization: s3cret-header"),
        ("GIT_CONFIG_KEY_1", "safe.directory"),
        ("GIT_CONFIG_VALUE_1", "/somewhere"),
        ("GIT_DIR", "/nonexistent"),
        ("GIT_EXTERNAL_DIFF", "/nonexistent"),
        ("GIT_SSH_COMMAND", "/nonexistent"),
        ("GITHUB_TOKEN", "s3cret-token"),
        ("SSH_AUTH_SOCK", "/s3cret-socket"),
        ("LD_PRELOAD", ""),
    ];
    for args in [
        &["plan", "-C", "clinic"][..],
        &["plan", "-C", "clinic", "--base", "main", "--out", "plan.json"],
        &["drift", "-C", "clinic"],
        &["validate", "-C", "clinic"],
        &["ids", "-C", "clinic"],
        &["outdated", "-C", "clinic"],
        &["graph", "-C", "clinic"],
        &["apply", "-C", "clinic", "plan.json"],
        &["apply", "-C", "clinic", "--auto-approve", "--base", "HEAD~1", "--overwrite-drift"],
    ] {
        let run = lab.run_with(args, &variables);
        assert!(matches!(run.code, Some(0 | 2)), "{args:?}: {}", run.stderr);
    }
    let read = |name: &str| fs::read_to_string(log.path().join(name)).unwrap();
    let given = read("variables");
    for line in given.lines() {
        let (name, _) = line.split_once('=').unwrap();
        assert!(VARIABLES.contains(&name), "git gets {line}");
    }
    assert!(!given.contains("s3cret") && given.contains("GIT_CONFIG_VALUE_0=/somewhere"), "{given}");
    let commands = read("commands");
    for line in commands.lines() {
        let known =
            COMMANDS.iter().any(|command| line.contains(&format!(" {command} ")) || line.ends_with(command));
        assert!(known, "git is run as: {line}");
        // Only the command that checks whether git trusts the repository lets git search for the repository.
        assert!(line.contains(" --git-dir=/") || line.ends_with(" rev-parse --absolute-git-dir"), "{line}");
    }
    assert!(COMMANDS.iter().filter(|command| commands.contains(**command)).count() > 4, "{commands}");
}

/// Returns a git configuration that would make git run the trap's program, or write to the trap's mark file.
fn settings_that_run_programs(trap: &Trap) -> String {
    let program = trap.program();
    let program = program.display();
    format!(
        "[core]\n\tfsmonitor = {program}\n\tpager = {program}\n[filter \"x\"]\n\tclean = {program}\n\
         [trace2]\n\tnormalTarget = {}\n",
        trap.mark().display()
    )
}

/// The repository belongs to another user, as is common in containers. It must only be used if the user has declared it
/// as trusted.
#[test]
fn another_users_repository_must_be_trusted() {
    let lab = clinic(Api::Classic);
    let head = run_git(&lab.path(), &["rev-parse", "HEAD"]);
    let home = tempfile::tempdir().unwrap();
    // Changing the owner of a directory needs privileges, so the test uses a variable of git that simulates another
    // owner.
    let git = wrapper("export GIT_TEST_ASSUME_DIFFERENT_OWNER=1");
    let path = git.path().to_str().unwrap();
    let home_path = home.path().to_str().unwrap();
    let run = |variables: &[(&str, &str)]| {
        let all = [&[("PATH", path), ("HOME", home_path)], variables].concat();
        let plan = lab.run_with(&["plan", "-C", "clinic", "--format", "json"], &all).expect(0).stdout;
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        (plan["commit"].clone(), lab.run_with(&["plan", "-C", "clinic", "--base", "HEAD"], &all))
    };
    let (commit, based) = run(&[]);
    assert_eq!(commit, serde_json::Value::Null);
    let based = based.expect(1);
    assert!(
        based.stderr.contains("dubious ownership") && based.stderr.contains("safe.directory"),
        "{}",
        based.stderr
    );
    // With a relative `HOME`, the configuration would be a file of the checkout, so it is ignored.
    lab.write(".gitconfig", "[safe]\n\tdirectory = *\n");
    let (commit, based) = run(&[("HOME", ".")]);
    assert_eq!(commit, serde_json::Value::Null);
    based.expect(1);
    // The repository is trusted by environment variables, as in some containers.
    let top = fs::canonicalize(lab.path()).unwrap();
    let trusted: &[(&str, &str)] = &[
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", top.to_str().unwrap()),
    ];
    let (commit, based) = run(trusted);
    assert_eq!(commit, head);
    based.expect(0);
    // The repository is trusted by a configuration file that is not at its usual path.
    let config = format!("[safe]\n\tdirectory = {}\n", top.display());
    fs::write(home.path().join("elsewhere"), &config).unwrap();
    let elsewhere = home.path().join("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    for name in ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"] {
        let (commit, based) = run(&[(name, elsewhere)]);
        assert_eq!(commit, head, "{name}");
        based.expect(0);
    }
    // The repository is trusted by the user's configuration, which actions/checkout writes. Other settings in that file
    // must have no effect.
    let trap = Trap::set();
    fs::write(home.path().join(".gitconfig"), config + &settings_that_run_programs(&trap)).unwrap();
    let (commit, based) = run(&[]);
    assert_eq!(commit, head);
    based.expect(0);
    assert_eq!(trap.take(), None, "a program has run, or a trace was written");
}

/// The repository really belongs to another user, if the process may change owners. Otherwise, it keeps its owner.
#[test]
fn root_can_read_a_users_trusted_repository() {
    let lab = clinic(Api::Classic);
    let top = fs::canonicalize(lab.path()).unwrap();
    let head = run_git(&top, &["rev-parse", "HEAD"]);
    let chown = std::process::Command::new("chown").args(["-R", "1000:1000"]).arg(&top).output().unwrap();
    let changed = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&top).unwrap()) == 1000;
    assert_eq!(chown.status.success(), changed);
    let home = tempfile::tempdir().unwrap();
    let config = format!("[safe]\n\tdirectory = {}\n", top.display());
    fs::write(home.path().join(".gitconfig"), config).unwrap();
    let plan = lab
        .run_with(&["plan", "-C", "clinic", "--format", "json"], &[("HOME", home.path().to_str().unwrap())])
        .expect(0);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(plan["commit"], head);
}
