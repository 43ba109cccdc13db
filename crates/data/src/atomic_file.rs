//! Files that appear whole or not at all.

use crate::DataError;
use crate::output::write_jsonl;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// A file written beside its target and renamed by [`AtomicFile::commit`]; dropped without, it leaves
/// nothing, and whatever stood at the target stays.
///
/// A link is followed. What is no regular file, such as a pipe or `/dev/stdout`, is written directly.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    target: PathBuf,
    writer: Writer,
}

#[derive(Debug)]
enum Writer {
    Beside(BufWriter<NamedTempFile>),
    Direct(BufWriter<File>),
}

impl AtomicFile {
    /// Starts a file that is to replace `path`.
    ///
    /// # Errors
    /// [`DataError::Io`] if the folder does not exist or cannot be written.
    pub fn create(path: &Path) -> Result<Self, DataError> {
        let failed = |reason| DataError::io(path, reason);
        let path_given = path.to_path_buf();
        let target = fs::canonicalize(path).unwrap_or_else(|_| path_given.clone());
        let existing = fs::metadata(&target).ok();
        if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
            let file = File::options().write(true).open(&target).map_err(failed)?;
            let writer = Writer::Direct(BufWriter::new(file));
            return Ok(Self { path: path_given, target, writer });
        }
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = Builder::new();
        builder.prefix(".nlhf-");
        // A temporary file is private unless told otherwise; the target should be as any other file.
        #[cfg(unix)]
        builder.permissions(existing.map_or_else(
            || std::os::unix::fs::PermissionsExt::from_mode(0o666),
            |existing| existing.permissions(),
        ));
        if !folder.is_dir() {
            let missing = format!("the folder {} does not exist", folder.display());
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, missing)));
        }
        let file = builder.tempfile_in(folder).map_err(failed)?;
        Ok(Self { path: path_given, target, writer: Writer::Beside(BufWriter::new(file)) })
    }

    /// The temporary file, while there is one: what a program that is interrupted should remove.
    pub fn temporary_path(&self) -> Option<&Path> {
        match &self.writer {
            Writer::Beside(writer) => Some(writer.get_ref().path()),
            Writer::Direct(_) => None,
        }
    }

    /// Writes one value as one line of JSON.
    ///
    /// # Errors
    /// [`DataError::Io`] naming the target.
    pub fn write_line<T: Serialize>(&mut self, line: &T) -> Result<(), DataError> {
        write_jsonl(self, line).map_err(|reason| DataError::io(&self.path, reason))
    }

    /// Puts the file where it belongs, after its content has reached the disk.
    ///
    /// # Errors
    /// [`DataError::Io`] naming the target, which is then unchanged.
    pub fn commit(self) -> Result<(), DataError> {
        let finish = || match self.writer {
            Writer::Direct(mut writer) => writer.flush(),
            Writer::Beside(writer) => {
                let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.as_file().sync_all()?;
                file.persist(&self.target).map_err(|error| error.error)?;
                Ok(())
            }
        };
        finish().map_err(|reason| DataError::io(&self.path, reason))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.writer {
            Writer::Beside(writer) => writer.write(bytes),
            Writer::Direct(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Writer::Beside(writer) => writer.flush(),
            Writer::Direct(writer) => writer.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn nothing_appears_before_commit() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.jsonl");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_line(&[1, 2]).unwrap();
        assert!(!target.exists());
        drop(file);
        assert_eq!(names(folder.path()), Vec::<String>::new());
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_line(&[1, 2]).unwrap();
        file.write_line(&"x").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "[1,2]\n\"x\"\n");
        assert_eq!(names(folder.path()), ["out.jsonl"]);
    }

    #[test]
    fn an_aborted_replacement_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.jsonl");
        fs::write(&target, "old").unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        let error = AtomicFile::create(&folder.path().join("no/such.jsonl")).unwrap_err();
        assert!(error.to_string().contains("no/such.jsonl: "), "{error}");
        assert!(AtomicFile::create(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_and_links_followed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let mut null = AtomicFile::create(Path::new("/dev/null")).unwrap();
        null.write_all(b"x").unwrap();
        null.commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());

        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&target, &link).unwrap();
        let mut file = AtomicFile::create(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
