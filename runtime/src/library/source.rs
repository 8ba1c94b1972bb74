//! Where the library comes from: the user's own file, the Python package index, npm.

use std::{env, path::Path};

use percept_fetch::{Cache, FetchError, Part, Progress, pins};

use super::{LibraryError, LibraryReport, LibrarySource};

/// The variable that names a library of the user's choice; `ort` reads the same one.
pub(super) const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";

/// Finds or fetches the library; `with_cuda` asks for the build that has the CUDA provider.
pub(super) fn obtain(
    cache: Option<&Cache>,
    with_cuda: bool,
    progress: &dyn Progress,
) -> Result<LibraryReport, LibraryError> {
    if let Some(path) = env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty()) {
        return named(Path::new(&path));
    }
    let cache = cache.ok_or(FetchError::NoCacheFolder)?;
    if with_cuda {
        return Ok(report(&pins::ONNXRUNTIME_GPU, &cache.obtain(&pins::ONNXRUNTIME_GPU, progress)?));
    }
    fetched(cache, progress)
}

/// The library for the processor: from the cache, whichever registry it came from; else the newer one.
fn fetched(cache: &Cache, progress: &dyn Progress) -> Result<LibraryReport, LibraryError> {
    for part in [&pins::ONNXRUNTIME, &pins::ONNXRUNTIME_NPM] {
        if let Some(folder) = cache.existing(part) {
            return Ok(report(part, &folder));
        }
    }
    let pypi = match cache.obtain(&pins::ONNXRUNTIME, progress) {
        Ok(folder) => return Ok(report(&pins::ONNXRUNTIME, &folder)),
        Err(error) if error.is_out_of_reach() => error,
        Err(error) => return Err(error.into()),
    };
    tracing::info!(%pypi, "trying npm");
    match cache.obtain(&pins::ONNXRUNTIME_NPM, progress) {
        Ok(folder) => Ok(report(&pins::ONNXRUNTIME_NPM, &folder)),
        Err(npm) if npm.is_out_of_reach() => {
            Err(LibraryError::OutOfReach { pypi: Box::new(pypi), npm: Box::new(npm) })
        }
        Err(error) => Err(error.into()),
    }
}

fn named(path: &Path) -> Result<LibraryReport, LibraryError> {
    if !path.is_file() {
        return Err(LibraryError::Unusable {
            path: path.to_owned(),
            reason: format!("{LIBRARY_VARIABLE} names it, and there is no such file"),
        });
    }
    // An absolute path, because `ort` would look for a relative one beside the executable first.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(LibraryReport { path, source: LibrarySource::Named, build: String::new() })
}

fn report(part: &Part, folder: &Path) -> LibraryReport {
    LibraryReport {
        path: folder.join(pins::LIBRARY_FILE),
        source: LibrarySource::Package(part.archive.title()),
        build: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use percept_fetch::{Clients, Silent};

    use super::*;

    #[test]
    fn without_pip_and_npm_the_error_names_both_and_the_way_without() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path(), Clients::in_folders(&[]));
        let error = fetched(&cache, &Silent).unwrap_err().to_string();
        for words in [
            "from PyPI: onnxruntime 1.31.1",
            "python3-pip",
            "from npm: onnxruntime-node 1.30.0",
            "apt install npm",
            "ORT_DYLIB_PATH",
        ] {
            assert!(error.contains(words), "{error:?} lacks {words:?}");
        }
    }

    #[test]
    fn a_library_that_is_in_the_cache_needs_no_client() {
        for part in [&pins::ONNXRUNTIME, &pins::ONNXRUNTIME_NPM] {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::at(folder.path(), Clients::in_folders(&[]));
            std::fs::create_dir_all(cache.folder(part)).unwrap();
            let library = fetched(&cache, &Silent).unwrap();
            assert_eq!(library.path, cache.folder(part).join(pins::LIBRARY_FILE));
            assert_eq!(library.source, LibrarySource::Package(part.archive.title()));
        }
    }

    #[test]
    fn a_named_library_that_is_not_there_is_refused_by_name() {
        let error = named(Path::new("/no/such/libonnxruntime.so")).unwrap_err().to_string();
        assert!(error.starts_with("/no/such/libonnxruntime.so can't be used"), "{error}");
        assert!(error.contains("ORT_DYLIB_PATH"), "{error}");
    }
}
