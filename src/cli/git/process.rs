//! Runs `git`. No other code of amigops starts a process.
//!
//! A checkout can contain files from a stranger, and the environment contains the secrets of the APIs. So git gets a
//! new environment with few variables, and it is looked for only in the absolute directories of `PATH`. Only commands
//! that start no program themselves are run (see [`Git`](super::Git)). Everything else that could make git start a
//! program is disabled: hooks, the file system monitor, pagers, and fetching of missing objects.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::find::Place;
use crate::env::Env;
use crate::error::Failure;

/// The variables that git gets in every run. They allow no protocol and no fetching, so that nothing is sent anywhere.
const SETTINGS: &[(&str, &str)] = &[
    // A colon means an empty list of protocols. On Windows, an empty variable would count as unset.
    ("GIT_ALLOW_PROTOCOL", ":"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_PAGER", "cat"),
    ("GIT_TERMINAL_PROMPT", "0"),
    // Git's configuration could name files to which git would write traces.
    ("GIT_TRACE2", "0"),
    ("GIT_TRACE2_EVENT", "0"),
    ("GIT_TRACE2_PERF", "0"),
    ("LC_ALL", "C"),
];

/// The variables that make git ignore the configuration of the system and of the user.
const NO_CONFIGURATION: &[(&str, &str)] =
    &[("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_SYSTEM", "/dev/null"), ("GIT_CONFIG_GLOBAL", "/dev/null")];

/// The git settings that override the configuration of the repository, so that it can't make git start a program.
const OVERRIDES: &[&str] =
    &["core.fsmonitor=false", "core.hooksPath=/dev/null", "credential.helper=", "protocol.allow=never"];

/// The variables that git needs to start on Windows, or as a part of Xcode.
const SYSTEM: &[&str] = &["SystemRoot", "SystemDrive", "windir", "TEMP", "TMP", "DEVELOPER_DIR"];

/// The variables that tell git where the configuration of the user and of the system is, and which user ran `sudo`.
const USER: &[&str] = &[
    "HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "SUDO_UID",
    "USERPROFILE",
    "HOMEDRIVE",
    "HOMEPATH",
    "ProgramData",
];

/// The setting that makes git trust a repository that belongs to another user.
const TRUST: &str = "safe.directory";

/// The `git` program, and the environment that it gets.
pub(super) struct Program {
    path: PathBuf,
    /// The environment variables that git gets from this process in every run, with their values.
    system: Vec<(OsString, OsString)>,
    /// The environment variables that git gets from this process only when it checks if the repository is trusted.
    user: Vec<(OsString, OsString)>,
}

impl Program {
    /// Finds the `git` program in the absolute directories of `PATH`, and collects the variables that it gets.
    ///
    /// # Errors
    ///
    /// Fails if no absolute directory of `PATH` contains `git`.
    pub(super) fn find(env: &Env) -> Result<Self, Failure> {
        let directories = absolute_directories(env.variable_os("PATH").as_deref());
        let name = format!("git{}", std::env::consts::EXE_SUFFIX);
        let path = directories.iter().map(|directory| directory.join(&name)).find(|path| is_program(path));
        let path = path.ok_or_else(missing)?;
        let mut system = set_variables(env, SYSTEM);
        // The directories were split from a PATH, so they can be joined again.
        system.push(("PATH".into(), std::env::join_paths(&directories).unwrap_or_default()));
        let mut user = set_variables(env, USER);
        // Remove relative paths, because they could lead into the checkout.
        user.retain(|(name, value)| {
            !matches!(
                name.to_str(),
                Some("HOME" | "XDG_CONFIG_HOME" | "GIT_CONFIG_GLOBAL" | "GIT_CONFIG_SYSTEM")
            ) || Path::new(value).is_absolute()
        });
        user.extend(trusted_by_variables(env));
        Ok(Self { path, system, user })
    }

    /// Runs a git command in a repository. Git ignores the configuration of the user and of the system.
    pub(super) fn run(&self, place: &Place, args: &[&str], stdin: Option<Stdio>) -> Result<Output, Failure> {
        let mut command = self.command(&place.top);
        command.envs(NO_CONFIGURATION.iter().copied());
        command.arg(option("--git-dir=", &place.git_dir)).arg(option("--work-tree=", &place.top));
        command.args(args).stdin(stdin.unwrap_or_else(Stdio::null));
        finish(command)
    }

    /// Asks git for the repository at the top of a work tree. In this run only, git searches for the repository itself,
    /// because only a search makes git check if the owner is trusted. For the check, git gets the user's configuration,
    /// which can contain `safe.directory`: the repositories of other users that git trusts.
    pub(super) fn find_trusted(&self, top: &Path) -> Result<Output, Failure> {
        let mut command = self.command(top);
        command.envs(self.user.iter().map(|(name, value)| (name, value)));
        // This variable keeps git from searching above the work tree.
        command.envs(top.parent().map(|parent| ("GIT_CEILING_DIRECTORIES", parent)));
        command.args(["rev-parse", "--absolute-git-dir"]).stdin(Stdio::null());
        finish(command)
    }

    fn command(&self, directory: &Path) -> Command {
        // The path is absolute, so neither PATH nor, on Windows, the working directory is searched.
        let mut command = Command::new(&self.path);
        command.env_clear().envs(self.system.iter().map(|(name, value)| (name, value)));
        command.envs(SETTINGS.iter().copied()).current_dir(directory).arg("--no-pager");
        for setting in OVERRIDES {
            command.args(["-c", setting]);
        }
        command
    }
}

fn finish(mut command: Command) -> Result<Output, Failure> {
    command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(),
        _ => Failure::other(format!("can't run the command `git`: {error}")),
    })
}

fn missing() -> Failure {
    Failure::other("can't find the command `git`").hint(
        "`--base` needs git to read the manifests of another commit: install git, or add the absolute \
         path of its directory to PATH",
    )
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

/// Returns the absolute directories of `PATH`. Relative directories are not used, because they depend on the working
/// directory, which may be the checkout.
fn absolute_directories(path: Option<&OsStr>) -> Vec<PathBuf> {
    match path {
        Some(path) => std::env::split_paths(path).filter(|directory| directory.is_absolute()).collect(),
        // If `PATH` is not set, use the usual directories of programs.
        None if cfg!(unix) => vec![PathBuf::from("/usr/bin"), PathBuf::from("/bin")],
        None => Vec::new(),
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file())
}

/// Returns the variables in `names` that are set, with their values.
fn set_variables(env: &Env, names: &[&str]) -> Vec<(OsString, OsString)> {
    names.iter().filter_map(|name| Some(((*name).into(), env.variable_os(name)?))).collect()
}

/// Returns the `safe.directory` settings from the variables `GIT_CONFIG_COUNT`, `GIT_CONFIG_KEY_0` and so on. Other
/// settings may contain secrets (`http.extraHeader`), so git does not get them.
fn trusted_by_variables(env: &Env) -> Vec<(OsString, OsString)> {
    let count: u32 = env.variable("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
    let is_trust = |key: String| key.eq_ignore_ascii_case(TRUST);
    let mut variables = Vec::new();
    let mut found = 0;
    for n in
        (0..count.min(1000)).filter(|n| env.variable(&format!("GIT_CONFIG_KEY_{n}")).is_some_and(is_trust))
    {
        // An empty value matters: it revokes the values before it.
        let value = env.variable_os(&format!("GIT_CONFIG_VALUE_{n}")).unwrap_or_default();
        variables.push((format!("GIT_CONFIG_KEY_{found}").into(), TRUST.into()));
        variables.push((format!("GIT_CONFIG_VALUE_{found}").into(), value));
        found += 1;
    }
    if found > 0 {
        variables.push(("GIT_CONFIG_COUNT".into(), found.to_string().into()));
    }
    variables
}
