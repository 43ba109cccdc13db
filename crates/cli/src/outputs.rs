//! Output files: opened before the work, so that a wrong path costs nothing, renamed together after it,
//! and gone if the program is interrupted.

use anyhow::{Context, ensure};
use nlhf::data::AtomicFile;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Temporary files to remove on an interrupt.
static TEMPORARY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Set by the first interrupt, where a command asked for it.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on the first interrupt sets this flag, for the command to end in good order; the second ends it at once.
pub(crate) fn stop_gently() -> Arc<AtomicBool> {
    Arc::clone(STOP.get_or_init(Arc::default))
}

/// Removes temporary files when the program is told to stop, and ends it with the exit code of a signal.
pub(crate) fn remove_when_interrupted() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if STOP.get().is_some_and(|stop| !stop.swap(true, Ordering::Relaxed)) {
            eprintln!("\nnlhf: stopping after this round; interrupt again to stop at once");
            return;
        }
        for path in TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // Gone already if it was renamed.
            let _ = std::fs::remove_file(path);
        }
        std::process::exit(130);
    })
    .context("cannot listen for interrupts")
}

/// Starts the file that is to replace `path`.
pub(crate) fn open(path: &Path) -> anyhow::Result<AtomicFile> {
    ensure!(path.as_os_str() != "-", "-: expected the name of a file to write, found a lone dash");
    // Held while the file is made, so that no interrupt finds it unlisted.
    let mut listed = TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner);
    let file = AtomicFile::create(path)?;
    listed.extend(file.temporary_path().map(Path::to_path_buf));
    Ok(file)
}

/// Refuses an output that would replace an input or another output.
pub(crate) fn check_distinct(outputs: &[&Path], inputs: &[&Path]) -> anyhow::Result<()> {
    // A file that does not exist yet is known by its name, one that does by where it lies.
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    for (at, output) in outputs.iter().enumerate() {
        let is_file = !output.exists() || output.is_file();
        for other in inputs.iter().chain(&outputs[..at]) {
            ensure!(
                !is_file || place(output) != place(other),
                "{}: expected an output of its own, found a file that is named twice",
                output.display()
            );
        }
    }
    Ok(())
}
