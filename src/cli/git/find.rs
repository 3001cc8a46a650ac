//! Finds the repository of a directory by its `.git`, so that git need not search for it.
//!
//! Git also accepts any directory that looks like a repository (`HEAD`, `objects`, `refs`). A pull request can add such
//! a directory, with its own `config`. But it can't add a `.git`, because git refuses to check out a file of that name.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::cli::user_file;

/// The maximum size of a `.git` file, in bytes. Such a file contains one path.
const MAX_LINK_BYTES: u64 = 64 * 1024;

/// The location of a repository, and of a directory in its work tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The top of the work tree: the directory that contains `.git`.
    pub(super) top: PathBuf,
    /// The directory that contains the repository's own files.
    pub(super) git_dir: PathBuf,
    /// The path from the top of the work tree to the directory whose repository was searched for, with a slash at its
    /// end. It is empty for the top itself.
    pub(super) prefix: String,
}

/// Finds the repository to which a directory belongs.
///
/// # Errors
///
/// Returns the reason as text if there is no repository, or if its `.git` can't be used.
pub(super) fn find(directory: &Path) -> Result<Place, String> {
    let directory = canonicalize(directory).map_err(|error| format!("can't read the directory: {error}"))?;
    for top in directory.ancestors() {
        let Some(git_dir) = git_dir(top)? else { continue };
        let inside = directory.strip_prefix(top).unwrap_or(Path::new(""));
        return Ok(Place { top: top.to_owned(), git_dir, prefix: prefix(inside)? });
    }
    Err("neither this directory nor a parent directory contains `.git`".to_owned())
}

/// Returns the directory of the repository's own files, or `None` if the directory `top` has no `.git`. The returned
/// directory is `.git` itself or, in linked work trees and submodules, the directory whose path is in the file `.git`.
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
    let text = user_file::read_text(&path, MAX_LINK_BYTES)
        .map_err(|error| wrong(&format!("can't be read: {error}")))?;
    let named = text
        .strip_prefix("gitdir: ")
        .map(|named| named.trim_end_matches(['\r', '\n']))
        .ok_or_else(|| wrong("does not begin with `gitdir: `"))?;
    let real = canonicalize(&top.join(named))
        .ok()
        .filter(|real| is_repository(real))
        .ok_or_else(|| wrong("does not name a repository"))?;
    if is_checked_out(&real, top) {
        return Err(wrong("names a directory inside the work tree, which a commit may have added"));
    }
    Ok(Some(real))
}

/// Returns true if a directory looks like a repository. Git makes further checks when it uses the directory.
fn is_repository(directory: &Path) -> bool {
    // In some old repositories, HEAD is a symbolic link to a branch that may not exist yet.
    fs::symlink_metadata(directory.join("HEAD")).is_ok()
}

/// Returns true if checking out a commit could write to a path: the path is in the work tree `top`, but not in a
/// `.git`.
fn is_checked_out(path: &Path, top: &Path) -> bool {
    path.strip_prefix(top)
        .is_ok_and(|inside| !inside.components().any(|part| part == Component::Normal(".git".as_ref())))
}

fn prefix(inside: &Path) -> Result<String, String> {
    let mut prefix = String::new();
    for part in inside.components() {
        prefix += part.as_os_str().to_str().ok_or("the directory's path is not Unicode")?;
        prefix.push('/');
    }
    Ok(prefix)
}

/// Returns the real path of a file or directory. On Windows, removes the prefix `\\?\`, which git does not understand.
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
