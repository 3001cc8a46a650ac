//! Reads the project's repository with the `git` command.
//!
//! A pull request can add any file to the checkout, so no file may control what git runs. The repository is found by
//! its `.git` (`find`), and git runs in its own environment (`process`). Only these commands are run: `rev-parse`,
//! `merge-base`, `ls-tree`, `cat-file --batch`, and for files that differ from the commit `ls-files -t` and
//! `check-ignore`. They run no hooks, filters, diff programs or pagers, and change neither the index nor the work tree.
//! Changed files are found by comparing bytes (`changes`), not with `git status`, which runs filters. The name of a
//! commit can't be mistaken for an option.

mod changes;
mod find;
mod links;
mod process;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::process::Output;

use find::Place;
use process::Program;

use crate::env::Env;
use crate::error::Failure;
use crate::manifest::ReadFile;

/// A repository, and the directory in its work tree that contains the project.
pub(super) struct Git {
    program: Program,
    place: Place,
}

/// The files that the loader has read from the work tree.
pub(super) struct LoadedFiles<'a> {
    /// The patterns under `manifests` in amigops.yaml.
    pub(super) patterns: &'a [String],
    pub(super) files: &'a [ReadFile],
}

/// A file or symbolic link in a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The path of the file, relative to the project's directory.
    pub(super) path: String,
    /// True if the file is a symbolic link.
    pub(super) is_link: bool,
    id: String,
}

impl Git {
    /// Opens the repository to which a directory belongs.
    ///
    /// # Errors
    ///
    /// Fails if there is no repository, if git does not trust its owner, or if git can't be run.
    pub(super) fn open(root: &Path, env: &Env) -> Result<Self, Failure> {
        let refused = |reason: &str| {
            Failure::other(format!("`{}` is not in a readable Git work tree: {reason}", root.display())).hint(
                "`--base` compares with a commit: run it in a clone of the project's repository, or omit it",
            )
        };
        let place = find::find(root).map_err(|reason| refused(&reason))?;
        let program = Program::find(env)?;
        let output = program.find_trusted(&place.top)?;
        if !output.status.success() {
            return Err(refused(&reason(&output)));
        }
        let answer = utf8(output.stdout)?;
        let found = find::canonicalize(Path::new(answer.trim_end_matches(['\r', '\n'])));
        if found.is_ok_and(|found| found == place.git_dir) {
            return Ok(Self { program, place });
        }
        Err(refused(&format!("git does not accept `{}` as a repository", place.git_dir.display())))
    }

    /// Returns the id of the commit that is checked out, or `None` if there is no commit yet.
    pub(super) fn head(&self) -> Result<Option<String>, Failure> {
        self.commit("HEAD")
    }

    /// Returns the id of the commit that a reference names, or `None` if this clone has no such commit.
    pub(super) fn commit(&self, reference: &str) -> Result<Option<String>, Failure> {
        // The name must not be mistaken for an option.
        if reference.starts_with('-') {
            return Ok(None);
        }
        let peeled = format!("{reference}^{{commit}}");
        let output = self.run(&["rev-parse", "--verify", "--quiet", &peeled], None)?;
        let text = utf8(output.stdout)?;
        let id = text.trim_end();
        let is_id = id.len() >= 40 && id.chars().all(|c| c.is_ascii_hexdigit());
        Ok((output.status.success() && is_id).then(|| id.to_owned()))
    }

    /// Returns the id of the last commit that two commits have in common, or `None` if this clone has no such commit.
    pub(super) fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>, Failure> {
        let output = self.run(&["merge-base", one, other], None)?;
        match output.status.code() {
            Some(0) => Ok(utf8(output.stdout)?.lines().next().map(str::to_owned)),
            Some(1) => Ok(None),
            _ => Err(failure("merge-base", &output)),
        }
    }

    /// Returns git's answer to a question for these objects: each object with its header, one after the other.
    fn read_objects(&self, ids: &[&str]) -> Result<Vec<u8>, Failure> {
        let wanted: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let output = self.ask(&["cat-file", "--batch"], wanted.as_bytes())?;
        if output.status.success() { Ok(output.stdout) } else { Err(failure("cat-file", &output)) }
    }

    /// Returns those of these commits that the clone has, each with the time at which it was made, in seconds since 1970.
    pub(super) fn commit_times<'a>(
        &self,
        commits: impl IntoIterator<Item = &'a String>,
    ) -> Result<BTreeMap<&'a str, i64>, Failure> {
        let commits: Vec<&str> = commits.into_iter().map(String::as_str).collect();
        let output = self.read_objects(&commits)?;
        let mut rest = output.as_slice();
        let mut times = BTreeMap::new();
        for commit in commits {
            let found = object(rest, "commit");
            if let Some((content, _)) = found {
                times.insert(commit, commit_time(content).unwrap_or_default());
            }
            // If git does not find an object, it answers with one line.
            let line = || rest.iter().position(|byte| *byte == b'\n').and_then(|end| rest.get(end + 1..));
            rest = found.map(|(_, next)| next).or_else(line).unwrap_or_default();
        }
        Ok(times)
    }

    /// Returns true if the history of a commit contains another commit.
    pub(super) fn is_ancestor(&self, older: &str, newer: &str) -> Result<bool, Failure> {
        Ok(older == newer || self.merge_base(older, newer)?.as_deref() == Some(older))
    }

    /// Returns true if the clone is shallow, so that older commits are missing.
    pub(super) fn is_shallow(&self) -> bool {
        let output = self.run(&["rev-parse", "--is-shallow-repository"], None);
        output.is_ok_and(|output| output.stdout.trim_ascii() == b"true")
    }

    /// Returns the files of a commit in the project's directory, or `None` if the file `marker` is not among them.
    pub(super) fn entries(&self, commit: &str, marker: &str) -> Result<Option<Vec<Entry>>, Failure> {
        let entries = self.list(commit)?;
        Ok(entries.iter().any(|entry| entry.path == marker).then_some(entries))
    }

    /// Returns the contents of these files, in the same order.
    pub(super) fn contents(&self, entries: &[&Entry]) -> Result<Vec<Vec<u8>>, Failure> {
        let output = self.read_objects(&entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>())?;
        let mut rest = output.as_slice();
        let mut contents = Vec::new();
        for entry in entries {
            let (content, next) = object(rest, "blob").ok_or_else(|| {
                Failure::other(format!("git can't read `{}` ({})", entry.path, entry.id))
                    .hint(MISSING_OBJECTS)
            })?;
            contents.push(content.to_vec());
            rest = next;
        }
        Ok(contents)
    }

    /// Returns the files of a commit in the project's directory. Leaves out submodules, because they are other
    /// repositories.
    fn list(&self, commit: &str) -> Result<Vec<Entry>, Failure> {
        let bytes = self.read(&self.inside(&["ls-tree", "-r", "-z", "--full-tree", commit]))?;
        // Skip names that are not Unicode. They can't be names of manifests, because patterns are Unicode.
        let lines = bytes.split(|byte| *byte == 0).filter_map(|line| std::str::from_utf8(line).ok());
        Ok(lines.filter_map(|line| entry(line, &self.place.prefix)).collect())
    }

    /// Returns the arguments of a git command. If the project's directory is not the whole work tree, limits the
    /// command to the directory.
    fn inside<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["--literal-pathspecs"];
        all.extend(args);
        if !self.place.prefix.is_empty() {
            all.extend(["--", &self.place.prefix]);
        }
        all
    }

    fn read(&self, args: &[&str]) -> Result<Vec<u8>, Failure> {
        let output = self.run(args, None)?;
        let command = args.iter().find(|arg| !arg.starts_with('-')).unwrap_or(&"");
        if output.status.success() { Ok(output.stdout) } else { Err(failure(command, &output)) }
    }

    /// Runs a git command that reads `input` from its standard input.
    fn ask(&self, args: &[&str], input: &[u8]) -> Result<Output, Failure> {
        let file = || {
            // Git reads a file instead of a pipe, so that it can answer before it has read all input.
            let mut file = tempfile::tempfile()?;
            file.write_all(input)?;
            file.rewind()?;
            Ok(file)
        };
        let file = file()
            .map_err(|error: io::Error| Failure::other(format!("can't write a temporary file: {error}")))?;
        self.run(args, Some(file.into()))
    }

    fn run(&self, args: &[&str], stdin: Option<std::process::Stdio>) -> Result<Output, Failure> {
        self.program.run(&self.place, args, stdin)
    }
}

/// Parses a line of the output of `ls-tree`: `<mode> <type> <id>\t<path>`. The path begins at the top of the work tree.
/// Returns `None` if the line is not about a file inside `prefix`.
fn entry(line: &str, prefix: &str) -> Option<Entry> {
    let (head, path) = line.split_once('\t')?;
    let mut words = head.split(' ');
    let (mode, kind, id) = (words.next()?, words.next()?, words.next()?);
    let path = path.strip_prefix(prefix)?.to_owned();
    (kind == "blob").then(|| Entry { path, is_link: mode == "120000", id: id.to_owned() })
}

/// Parses the first answer of `cat-file --batch`: `<id> <kind> <size>\n<content>\n`. Returns the content, and the bytes
/// after the answer. Returns `None` if git did not find an object of this kind, or if the answer is cut off.
fn object<'a>(bytes: &'a [u8], kind: &str) -> Option<(&'a [u8], &'a [u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]);
    let mut words = head.split(' ');
    let (found, size) = (words.nth(1)?, words.next()?);
    let size = size.parse().ok().filter(|_| found == kind)?;
    Some((rest.get(..size)?, rest.get(size + 1..)?))
}

/// Parses the content of a commit: its line `committer <name> <time> <zone>` has the time.
fn commit_time(content: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(content);
    let line =
        text.lines().take_while(|line| !line.is_empty()).find(|line| line.starts_with("committer "))?;
    line.rsplit(' ').nth(1)?.parse().ok()
}

fn utf8(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::other("git returned a path that is not Unicode"))
}

/// The hint for a clone in which git does not find an object.
const MISSING_OBJECTS: &str = "objects are missing in this clone, and amigops never fetches: clone without a filter, \
                               or run `git fetch --refetch --no-filter`";

fn failure(command: &str, output: &Output) -> Failure {
    let reason = reason(output);
    let failure = Failure::other(format!("`git {command}` failed: {reason}"));
    let lacks = ["lazy fetching disabled", "promisor", "not a tree object", "not allowed"];
    if lacks.iter().any(|text| reason.contains(text)) { failure.hint(MISSING_OBJECTS) } else { failure }
}

/// Returns git's error message, or its exit status if there is no message.
fn reason(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("fatal: ");
    if said.is_empty() { output.status.to_string() } else { said.to_owned() }
}
