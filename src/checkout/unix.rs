//! Directories on Unix. Each directory of a path is opened relative to its open parent directory (`openat`), without
//! following links.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// An open file descriptor of a directory.
pub(super) struct Directory(OwnedFd);

/// The flags for opening a file without following a link. If the file is a pipe that has no writer, opening it does not
/// wait for one.
const SAFE: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

impl Directory {
    /// Opens the root of a checkout. Follows links in the path of the root, because that path is not part of the
    /// checkout.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::CLOEXEC | OFlags::DIRECTORY | OFlags::RDONLY;
        Ok(Self(rustix::fs::open(root, flags, Mode::empty())?))
    }

    /// Opens a subdirectory. Errors if it is a link.
    pub(super) fn enter(&self, name: &Path) -> io::Result<Self> {
        let flags = SAFE | OFlags::DIRECTORY | OFlags::RDONLY;
        Ok(Self(rustix::fs::openat(&self.0, name, flags, Mode::empty())?))
    }

    /// Opens a subdirectory, and creates it if necessary. Errors if it is a link.
    pub(super) fn enter_or_make(&self, name: &Path) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => self.enter(name),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file in this directory for reading. Errors if the file is a link.
    pub(super) fn open_to_read(&self, name: &Path) -> io::Result<File> {
        Ok(rustix::fs::openat(&self.0, name, SAFE | OFlags::RDONLY, Mode::empty())?.into())
    }

    /// Opens a file in this directory for reading and writing. Creates the file if necessary. Errors if it is a link.
    pub(super) fn open_to_write(&self, name: &Path) -> io::Result<File> {
        let flags = SAFE | OFlags::RDWR | OFlags::CREATE;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o666))?.into())
    }
}
