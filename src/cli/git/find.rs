//! Finds the repository of a directory by its `.git`, so that git never has to.
//!
//! Git itself also takes a directory for a repository that only looks like one (`HEAD`, `objects`, `refs`). A pull
//! request can add such a directory with a `config` of its own. It can't add a `.git`: git refuses to check out
//! that name.

use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// The most bytes of a `.git` file that are read: it holds one path.
const MAX_LINK_BYTES: u64 = 64 * 1024;

/// A repository, and a directory in its work tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The top of the work tree: the directory that holds `.git`.
    pub(super) top: PathBuf,
    /// The directory with the repository's own files.
    pub(super) git_dir: PathBuf,
    /// The directory's path from the top, with a slash at its end; empty at the top.
    pub(super) prefix: String,
}

/// Finds the repository of a directory.
///
/// # Errors
///
/// The reason, if there is none or if its `.git` can't be used.
pub(super) fn find(directory: &Path) -> Result<Place, String> {
    let directory = canonicalize(directory).map_err(|error| format!("it can't be read: {error}"))?;
    for top in directory.ancestors() {
        let Some(git_dir) = git_dir(top)? else { continue };
        let inside = directory.strip_prefix(top).unwrap_or(Path::new(""));
        return Ok(Place { top: top.to_owned(), git_dir, prefix: prefix(inside)? });
    }
    Err("neither it nor a directory above it has a `.git`".to_owned())
}

/// The repository's own directory, if this directory holds a `.git`: a directory, or a file that names one, as
/// `git worktree` and submodules have it.
fn git_dir(top: &Path) -> Result<Option<PathBuf>, String> {
    let path = top.join(".git");
    let Ok(meta) = fs::metadata(&path) else { return Ok(None) };
    if meta.is_dir() {
        let real = canonicalize(&path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        return Ok(is_repository(&real).then_some(real));
    }
    if !meta.is_file() {
        return Ok(None);
    }
    let wrong = |why: &str| format!("`{}` {why}", path.display());
    let mut text = String::new();
    let read = fs::File::open(&path).and_then(|file| file.take(MAX_LINK_BYTES).read_to_string(&mut text));
    read.map_err(|error| wrong(&format!("can't be read: {error}")))?;
    let named = text
        .strip_prefix("gitdir: ")
        .map(|named| named.trim_end_matches(['\r', '\n']))
        .ok_or_else(|| wrong("does not begin with `gitdir: `"))?;
    let real = canonicalize(&top.join(named))
        .ok()
        .filter(|real| is_repository(real))
        .ok_or_else(|| wrong("names no repository"))?;
    if is_checked_out(&real, top) {
        return Err(wrong("names a directory of the work tree itself, which a commit may have added"));
    }
    Ok(Some(real))
}

/// Git checks the rest when it is told to use the directory.
fn is_repository(directory: &Path) -> bool {
    // It is a symbolic link in some old repositories, to a branch that may not exist yet.
    fs::symlink_metadata(directory.join("HEAD")).is_ok()
}

/// Whether a path lies where a checkout can write: in the work tree, but in no `.git`.
fn is_checked_out(path: &Path, top: &Path) -> bool {
    path.strip_prefix(top)
        .is_ok_and(|inside| !inside.components().any(|part| part == Component::Normal(".git".as_ref())))
}

fn prefix(inside: &Path) -> Result<String, String> {
    let mut prefix = String::new();
    for part in inside.components() {
        prefix += part.as_os_str().to_str().ok_or("its path is not Unicode")?;
        prefix.push('/');
    }
    Ok(prefix)
}

/// The real path. On Windows without the prefix `\\?\`, which git does not understand.
pub(super) fn canonicalize(path: &Path) -> std::io::Result<PathBuf> {
    let real = fs::canonicalize(path)?;
    if cfg!(windows)
        && let Some(plain) = real.to_str().and_then(|text| text.strip_prefix(r"\\?\"))
        && plain.as_bytes().get(1) == Some(&b':')
    {
        return Ok(PathBuf::from(plain));
    }
    Ok(real)
}
