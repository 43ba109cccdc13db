//! A file that is only added to: what was appended is on the disk, or nothing is ever appended again.

use super::error::StoreError;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A regular file, locked against other writers.
#[derive(Debug)]
pub(super) struct DurableFile {
    path: PathBuf,
    file: File,
    /// All bytes up to here are on the disk.
    n_bytes: u64,
    /// The disk has room up to here.
    reserved: u64,
    /// Why a write failed.
    failure: Option<String>,
}

impl DurableFile {
    /// Opens a file, or creates it, and locks it. Nothing in it is changed.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |reason| StoreError::io(path, "open", reason);
        // What is no regular file is not even opened: a pipe would wait for its other end.
        let existed = match std::fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                let found = "what is no regular file".to_owned();
                return Err(StoreError::NoStore { path: path.to_path_buf(), found });
            }
            Ok(_) => true,
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => false,
            Err(reason) => return Err(failed(reason)),
        };
        let file = File::options().read(true).append(true).create(true).open(path);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: path.to_path_buf() });
            }
            Err(TryLockError::Error(reason)) => return Err(StoreError::io(path, "lock", reason)),
        }
        let opened =
            Self { path: path.to_path_buf(), file, n_bytes: 0, reserved: 0, failure: None };
        if !existed {
            opened.sync_folder()?;
        }
        Ok(opened)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// For reading from the beginning.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// States how much of the file is good, and cuts off the rest.
    pub(super) fn keep_first(&mut self, n_bytes: u64) -> Result<(), StoreError> {
        let cut = |reason| StoreError::io(&self.path, "cut off a torn line of", reason);
        if self.file.metadata().map_err(cut)?.len() > n_bytes {
            self.file.set_len(n_bytes).and_then(|()| self.file.sync_data()).map_err(cut)?;
        }
        (self.n_bytes, self.reserved) = (n_bytes, n_bytes);
        Ok(())
    }

    /// Makes certain that the disk has room for so many more bytes.
    pub(super) fn reserve(&mut self, n_bytes: u64) -> Result<(), StoreError> {
        self.check_usable()?;
        let end = self.n_bytes.saturating_add(n_bytes);
        if end > self.reserved {
            allocate(&self.file, self.n_bytes, n_bytes)
                .map_err(|reason| StoreError::io(&self.path, "reserve room in", reason))?;
            self.reserved = end;
        }
        Ok(())
    }

    /// Adds bytes and waits until they are on the disk. If that fails, they are taken back as far as that is possible.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.check_usable()?;
        if let Err(reason) = self.file.write_all(bytes).and_then(|()| self.file.sync_data()) {
            // If this fails too, the next to open the file finds a torn line, or lines that are good.
            let _ = self.file.set_len(self.n_bytes).and_then(|()| self.file.sync_data());
            self.failure = Some(reason.to_string());
            return Err(StoreError::io(&self.path, "write to", reason));
        }
        self.n_bytes += bytes.len() as u64;
        Ok(())
    }

    fn check_usable(&self) -> Result<(), StoreError> {
        match &self.failure {
            None => Ok(()),
            Some(reason) => {
                Err(StoreError::Poisoned { path: self.path.clone(), reason: reason.clone() })
            }
        }
    }

    /// Puts the name of a new file on the disk; its content alone would not be found again.
    fn sync_folder(&self) -> Result<(), StoreError> {
        if cfg!(not(unix)) {
            return Ok(());
        }
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|reason| StoreError::io(folder, "bring to the disk", reason))
    }
}

impl Drop for DurableFile {
    fn drop(&mut self) {
        if self.reserved > self.n_bytes {
            // Setting the length that it has gives reserved room back. If not, it is merely not given back.
            let _ = self.file.set_len(self.n_bytes);
        }
        // A child that another thread is just starting may hold the file open for a moment longer than we do, and the
        // lock with it.
        let _ = self.file.unlock();
    }
}

/// Sets blocks of the disk aside without changing the length of the file.
#[cfg(target_os = "linux")]
fn allocate(file: &File, start: u64, n_bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::KEEP_SIZE, start, n_bytes) {
        // A file system that cannot: a full disk will be found when writing.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn device(path: &str) -> DurableFile {
        let file = File::options().write(true).open(path).unwrap();
        DurableFile { path: path.into(), file, n_bytes: 0, reserved: 0, failure: None }
    }

    #[test]
    fn after_a_write_that_failed_nothing_is_written() {
        // One refuses to write; the other writes, and refuses to bring it to the disk. Neither can be cut.
        for (path, reason) in [("/dev/full", "No space left"), ("/dev/null", "Invalid argument")] {
            let mut file = device(path);
            let error = file.append(b"x").unwrap_err().to_string();
            assert!(error.starts_with(&format!("{path}: cannot write to: {reason}")), "{error}");
            assert_eq!(file.n_bytes, 0);
            for error in [file.append(b"x").unwrap_err(), file.reserve(1).unwrap_err()] {
                assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
                assert!(error.to_string().contains(reason), "{error}");
            }
        }
    }

    #[test]
    fn room_that_the_disk_does_not_have_is_refused_before_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.jsonl");
        let mut file = DurableFile::open(&path).unwrap();
        let error = file.reserve(1 << 62).unwrap_err().to_string();
        assert!(error.contains("labels.jsonl: cannot reserve room in: "), "{error}");
        file.append(b"as before\n").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"as before\n");
    }

    #[test]
    fn a_handle_that_someone_else_still_has_holds_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.jsonl");
        let file = DurableFile::open(&path).unwrap();
        let _other = file.file().try_clone().unwrap();
        assert!(matches!(DurableFile::open(&path), Err(StoreError::Locked { .. })));
        drop(file);
        DurableFile::open(&path).unwrap();
    }

    #[test]
    fn reserved_room_changes_no_length_and_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.jsonl");
        let mut file = DurableFile::open(&path).unwrap();
        file.reserve(1 << 20).unwrap();
        file.append(b"x").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1);
        let n_blocks = std::fs::metadata(&path).unwrap().blocks();
        drop(file);
        let left = std::fs::metadata(&path).unwrap().blocks();
        assert!(left <= n_blocks.min(64), "{n_blocks} blocks of 512 bytes, then {left}");
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
    }
}
