//! Directories on systems other than Unix. On these systems, a file can't be opened without following links. So each
//! part of a path is checked for a link just before it is opened.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// The path of a directory.
pub(super) struct Directory(PathBuf);

impl Directory {
    /// Opens the root of a checkout. Follows links in the path of the root, because that path is not part of the
    /// checkout.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        Ok(Self(root.to_owned()))
    }

    /// Opens a subdirectory. Errors if it is a link.
    pub(super) fn enter(&self, name: &Path) -> io::Result<Self> {
        Ok(Self(self.without_link(name)?))
    }

    /// Opens a subdirectory, and creates it if necessary. Errors if it is a link.
    pub(super) fn enter_or_make(&self, name: &Path) -> io::Result<Self> {
        match fs::create_dir(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.enter(name),
        }
    }

    /// Opens a file in this directory for reading. Errors if the file is a link.
    pub(super) fn open_to_read(&self, name: &Path) -> io::Result<File> {
        File::open(self.without_link(name)?)
    }

    /// Opens a file in this directory for reading and writing. Creates the file if necessary. Errors if it is a link.
    pub(super) fn open_to_write(&self, name: &Path) -> io::Result<File> {
        let path = self.without_link(name)?;
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    }

    fn without_link(&self, name: &Path) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        if fs::symlink_metadata(&path).is_ok_and(|about| about.is_symlink()) {
            return Err(io::Error::other("the path is a symbolic link"));
        }
        Ok(path)
    }
}
