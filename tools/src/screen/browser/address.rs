//! The page to open: what was written, what it means, and the folder that comes with it.

use std::path::{Path, PathBuf};

use url::Url;

use super::BrowserOptions;
use crate::ScreenError;

/// A page's address and, for a local page, the folder whose files it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) url: Url,
    pub(super) folder: Option<PathBuf>,
}

impl Address {
    /// Reads a path or an address; the seed is added to local pages.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Refused`] if there is no such file or it is no address that a page can have.
    pub(super) fn read(options: &BrowserOptions) -> Result<Self, ScreenError> {
        let url = match Url::parse(&options.page) {
            // A single letter is the drive of a Windows path.
            Ok(url) if url.scheme().len() > 1 => url,
            _ => file(Path::new(&options.page))?,
        };
        match url.scheme() {
            "file" => local(url, options),
            "http" | "https" | "data" | "about" => Ok(Self { url, folder: options.folder.clone() }),
            other => Err(ScreenError::Refused {
                reason: format!("`{}` can't be opened: {other}: is no address of a page", options.page),
            }),
        }
    }
}

/// An address of the kind that [`Input::Navigate`](crate::Input::Navigate) takes.
///
/// # Errors
///
/// [`ScreenError::Refused`] if it is none.
pub(super) fn absolute(written: &str) -> Result<Url, ScreenError> {
    Url::parse(written.trim()).map_err(|e| ScreenError::Refused {
        reason: format!("`{written}` is no address ({e}): write it whole, as in https://example.org/"),
    })
}

fn file(path: &Path) -> Result<Url, ScreenError> {
    let refused = |why: String| ScreenError::Refused { reason: format!("{}: {why}", path.display()) };
    let found = path.canonicalize().map_err(|e| refused(e.to_string()))?;
    if found.is_dir() {
        return Err(refused("it is a folder, not a page".into()));
    }
    Url::from_file_path(&found).map_err(|()| refused("it is no path of a file".into()))
}

fn local(mut url: Url, options: &BrowserOptions) -> Result<Address, ScreenError> {
    let refused = |why: String| ScreenError::Refused { reason: format!("{}: {why}", options.page) };
    let path = url.to_file_path().map_err(|()| refused("it is no path of a file".into()))?;
    let path = path.canonicalize().map_err(|e| refused(e.to_string()))?;
    let folder = match &options.folder {
        Some(folder) => {
            let folder = folder.canonicalize().map_err(|e| refused(format!("{}: {e}", folder.display())))?;
            if !path.starts_with(&folder) {
                return Err(refused(format!("it is outside {}", folder.display())));
            }
            folder
        }
        None => path.parent().map(Path::to_path_buf).unwrap_or_default(),
    };
    if let Some(seed) = options.seed {
        url.query_pairs_mut().append_pair("seed", &seed.to_string());
    }
    Ok(Address { url, folder: Some(folder) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_page_brings_its_folder_and_takes_the_seed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let page = folder.join("a page.html");
        std::fs::write(&page, "").unwrap();
        let plain = Url::from_file_path(&page).unwrap().to_string();
        let cases = [
            (page.display().to_string(), None, plain.clone()),
            (page.display().to_string(), Some(7), format!("{plain}?seed=7")),
            (format!("{plain}?a=b"), Some(7), format!("{plain}?a=b&seed=7")),
        ];
        for (written, seed, expected) in cases {
            let address = Address::read(&BrowserOptions { seed, ..BrowserOptions::new(written) }).unwrap();
            assert_eq!(
                address,
                Address { url: Url::parse(&expected).unwrap(), folder: Some(folder.clone()) }
            );
        }
    }

    #[test]
    fn a_page_that_cannot_be_is_refused_with_its_name() {
        let cases = [
            ("no/such/page.html", "no/such/page.html: No such file"),
            ("file:///no/such/page.html", "file:///no/such/page.html: No such file"),
            ("/", "/: it is a folder, not a page"),
            ("ftp://example.org/", "`ftp://example.org/` can't be opened: ftp: is no address of a page"),
            ("javascript:alert(1)", "`javascript:alert(1)` can't be opened"),
        ];
        for (written, expected) in cases {
            let error = Address::read(&BrowserOptions::new(written)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
