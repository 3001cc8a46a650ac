//! Safe access to the files of a checkout, the directory tree that contains the project. Each function gets the root of
//! the checkout, and refuses paths that lead out of it. Only regular files are opened.
//!
//! A pull request controls the content of a checkout. A path in it may be a link to a secret outside the checkout, a
//! pipe that blocks its reader, or a device. So every path that a project's files contain goes through this module.
//! Paths from the command line don't, because the user chose them.
//!
//! A file that is read or changed may be a symbolic link to another file of the same checkout. A file that amigops
//! creates for itself (the state of a sandbox) must not be a link. Files below a directory named `.git` are refused,
//! because they may contain credentials of a CI job, or programs that Git runs.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "portable.rs")]
mod directory;

use directory::Directory;

/// The reason why a path of a checkout is refused.
#[derive(Debug)]
pub enum PathError {
    /// The path, or a link on the way to it, leads out of the checkout.
    Outside,
    /// The path leads into a directory named `.git`.
    InGitDirectory,
    /// A part of the path is a symbolic link that is broken or not allowed. Contains the path of the link, relative to
    /// the root of the checkout.
    Link(PathBuf),
    /// The path leads to a directory, but a file is expected.
    IsDirectory,
    /// The path leads to a pipe, a socket or a device.
    NotRegular,
    /// The file is larger than this maximum, in bytes.
    TooLarge(u64),
    /// The file is not UTF-8.
    NotUtf8,
    /// The operating system returned an error, for example because the file does not exist.
    Io(io::Error),
}

impl PathError {
    /// Returns true if the path leads out of the checkout, into a `.git` directory, or through a forbidden link.
    pub fn is_unsafe(&self) -> bool {
        matches!(self, Self::Outside | Self::InGitDirectory | Self::Link(_))
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("the path leads out of the project directory"),
            Self::InGitDirectory => f.write_str("the path leads into a `.git` directory"),
            Self::Link(part) => {
                write!(f, "`{}` is a symbolic link, which is not allowed here", part.display())
            }
            Self::IsDirectory => f.write_str("it is a directory"),
            Self::NotRegular => f.write_str("the path is not a regular file"),
            Self::TooLarge(bytes) => write!(f, "the file is larger than the limit of {} MB", bytes >> 20),
            Self::NotUtf8 => f.write_str("the file is not UTF-8"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PathError {}

impl From<io::Error> for PathError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Returns true if a component of the path is named `.git`, in upper or lower case.
pub fn names_git(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().eq_ignore_ascii_case(".git"))
}

/// Returns the real path (absolute and without links) of an existing file or directory. `root` must be a real path.
///
/// # Errors
///
/// Errors if the path leads out of the root or into a `.git` directory, or does not exist.
pub fn resolve(root: &Path, path: &Path) -> Result<PathBuf, PathError> {
    let real = fs::canonicalize(root.join(path))?;
    below(root, &real)?;
    Ok(real)
}

/// Returns a path relative to the root. Errors if the path is not below the root, or if the relative path contains `..`
/// or `.git`.
fn below<'p>(root: &Path, real: &'p Path) -> Result<&'p Path, PathError> {
    let inside = real.strip_prefix(root).map_err(|_| PathError::Outside)?;
    if inside.components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(PathError::Outside);
    }
    if names_git(inside) { Err(PathError::InGitDirectory) } else { Ok(inside) }
}

/// Returns the real path (absolute and without links) of a regular file in a checkout.
///
/// # Errors
///
/// Fails in the same cases as [`resolve`], and also if the path is not a regular file.
pub fn resolve_file(root: &Path, path: &Path) -> Result<PathBuf, PathError> {
    let real = resolve(root, path)?;
    check_regular(&fs::symlink_metadata(&real)?)?;
    Ok(real)
}

/// Checks that `about` is the metadata of a regular file.
///
/// # Errors
///
/// Errors if `about` is the metadata of a directory, a pipe, a socket or a device.
pub fn check_regular(about: &Metadata) -> Result<(), PathError> {
    if about.is_dir() {
        return Err(PathError::IsDirectory);
    }
    if about.is_file() { Ok(()) } else { Err(PathError::NotRegular) }
}

/// Reads a file, but at most `most + 1` bytes, so that the caller can detect a file of more than `most` bytes.
///
/// # Errors
///
/// Fails in the same cases as [`resolve_file`], and also if the file can't be read.
pub fn read(root: &Path, path: &Path, most: u64) -> Result<Vec<u8>, PathError> {
    let mut bytes = Vec::new();
    open(root, path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a text file of at most `most` bytes.
///
/// # Errors
///
/// Fails in the same cases as [`read`], and also if the file has more than `most` bytes or is not UTF-8.
pub fn read_text(root: &Path, path: &Path, most: u64) -> Result<String, PathError> {
    let bytes = read(root, path, most)?;
    if bytes.len() as u64 > most {
        return Err(PathError::TooLarge(most));
    }
    String::from_utf8(bytes).map_err(|_| PathError::NotUtf8)
}

/// Opens a file for reading. Resolves the links in the path first, and then opens each part of the resolved path
/// without following links. So if a part is replaced by a link after the check, opening it fails.
fn open(root: &Path, path: &Path) -> Result<File, PathError> {
    let real = resolve_file(root, path)?;
    let (parents, name) = split(root, &real)?;
    let mut directory = Directory::open(root)?;
    for part in parents {
        directory = directory.enter(part.as_ref())?;
    }
    let file = directory.open_to_read(name.as_ref())?;
    check_regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a file that amigops keeps for itself, for reading and writing. Creates the file and its directories if
/// necessary. No part of the path may be a link.
///
/// # Errors
///
/// Errors if the path leads out of the root or into a `.git` directory, contains a link, or is not a regular file.
pub fn open_own(root: &Path, path: &Path) -> Result<File, PathError> {
    check_own(root, path)?;
    let whole = root.join(path);
    let (parents, name) = split(root, &whole)?;
    let mut directory = Directory::open(root)?;
    for part in parents {
        directory = directory.enter_or_make(part.as_ref())?;
    }
    let file = directory.open_to_write(name.as_ref())?;
    check_regular(&file.metadata()?)?;
    Ok(file)
}

/// Checks a path in the same way as [`open_own`], but opens and creates nothing. Parts of the path that do not exist
/// yet are accepted.
///
/// # Errors
///
/// Errors if [`open_own`] would refuse the path.
pub fn check_own(root: &Path, path: &Path) -> Result<(), PathError> {
    let path = root.join(path);
    let mut so_far = root.to_owned();
    for part in below(root, &path)?.components() {
        so_far.push(part);
        match fs::symlink_metadata(&so_far) {
            Ok(about) if about.is_symlink() => {
                return Err(PathError::Link(so_far.strip_prefix(root).unwrap_or(&so_far).to_owned()));
            }
            Ok(about) if so_far == path => check_regular(&about)?,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Returns the real path of a directory. Creates the directory if necessary. The path may contain links that lead to
/// directories of the checkout.
///
/// # Errors
///
/// Fails in the same cases as [`check_directory`], and also if a directory can't be created.
pub fn make_directory(root: &Path, path: &Path) -> Result<PathBuf, PathError> {
    let real = check_directory(root, path)?;
    fs::create_dir_all(&real)?;
    below(root, &fs::canonicalize(&real)?)?;
    Ok(real)
}

/// Returns the real path of a directory that may not exist yet. Resolves the links in the part of the path that exists.
///
/// # Errors
///
/// Errors if the path leads out of the root or into a `.git` directory, contains a broken link, or is not a
/// directory.
pub fn check_directory(root: &Path, path: &Path) -> Result<PathBuf, PathError> {
    let whole = root.join(path);
    let mut real = root.to_owned();
    for part in below(root, &whole)?.components() {
        real.push(part);
        match fs::symlink_metadata(&real) {
            Ok(about) if about.is_symlink() => {
                let link = real.strip_prefix(root).unwrap_or(&real).to_owned();
                real = fs::canonicalize(&real).map_err(|_| PathError::Link(link))?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        }
        below(root, &real)?;
        if !real.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory).into());
        }
    }
    Ok(real)
}

/// Splits the path of a file into the directories below the root, and the file's name. Errors if the path is the root
/// itself, or is not below the root.
fn split<'p>(root: &Path, real: &'p Path) -> Result<(Vec<Component<'p>>, Component<'p>), PathError> {
    let mut parents: Vec<_> = below(root, real)?.components().collect();
    let name = parents.pop().ok_or(PathError::IsDirectory)?;
    Ok((parents, name))
}

#[cfg(test)]
mod tests;
