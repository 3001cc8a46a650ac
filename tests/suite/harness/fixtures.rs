//! Seeds, manifests and Git repositories that many tests use.

use std::path::Path;
use std::process::Command;

use amigops::model::{NameHash, OriginTag, ServiceName};

/// A seed with agents and a context graph, and no services.
pub(crate) const EMPTY: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 3}, {name: Two, versions: 3}, {name: Old, versions: 1, deprecated: true}]
    context_graphs: [{name: Flow, versions: 3}]
";

/// Returns the manifest of a service. The lines in `more` are added at its end.
pub(crate) fn service(name: &str, more: &str) -> String {
    format!("service: {name}\ndescription: The {name}\nagent: One\ncontext_graph: Flow\n{more}")
}

/// Returns the manifests of `count` services. Their names have numbers.
pub(crate) fn services(count: usize, more: &str) -> String {
    let one = |n: usize| service(&format!("Desk {n:03}"), more);
    (0..count).map(one).collect::<Vec<_>>().join("---\n")
}

/// Returns the value of the tag `origin` of a service that was made for this name.
pub(crate) fn origin_tag(name: &str, commit: Option<&str>) -> String {
    let name = NameHash::of(&ServiceName::new(name));
    OriginTag { name, commit: commit.map(str::to_owned), is_former: false }.to_string()
}

/// Runs git in a directory, without the environment variables of this process. Panics if git fails. Returns its
/// output.
#[track_caller]
pub(crate) fn run_git(directory: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .env_clear()
        .envs([("HOME", "/nonexistent"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .args(["-c", "user.name=Kim", "-c", "user.email=kim@example.com", "-c", "init.defaultBranch=main"])
        .args(["-c", "protocol.file.allow=always", "-C"])
        .arg(directory)
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
