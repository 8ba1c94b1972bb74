//! The browser that comes from a package registry: a headless Chromium with the libraries and the fonts that it
//! would otherwise need from the system.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use percept_fetch::{Cache, Progress, pins};

use super::executable::Executable;
use crate::ScreenError;

/// Where the package's parts lie in its folder.
const PROGRAM: &str = "chromium";
const LIBRARIES: &str = "lib";
const FONTS: &str = "fonts";

/// Fetches the package into the user's cache, once.
///
/// # Errors
///
/// [`ScreenError::Missing`] if it can't be had.
pub(super) async fn obtain(progress: Arc<dyn Progress>) -> Result<Executable, ScreenError> {
    // It takes seconds, most of them unpacking.
    let fetched =
        tokio::task::spawn_blocking(move || Cache::open()?.obtain(&pins::BROWSER, &*progress)).await;
    let fetched = fetched.map_err(|e| ScreenError::Broken(e.into()))?;
    let folder = fetched.map_err(|e| ScreenError::Missing {
        what: format!("no browser was found on the PATH, and none could be fetched: {e}"),
        remedy: "Or install chromium, or name a browser in PERCEPT_BROWSER.".into(),
    })?;
    Ok(executable(&folder))
}

/// The package that this program is part of, if it is.
pub(super) fn beside(program: &Path) -> Option<Executable> {
    let folder = program.parent()?;
    let ours = program.file_name()? == PROGRAM && folder.join(LIBRARIES).join("libnss3.so").is_file();
    ours.then(|| executable(folder))
}

fn executable(folder: &Path) -> Executable {
    Executable {
        program: folder.join(PROGRAM),
        environment: vec![("LD_LIBRARY_PATH", folder.join(LIBRARIES))],
        profiles: None,
        fetched: true,
    }
}

/// Writes the font configuration of a fetched browser: this machine's fonts and settings where there are any,
/// and the package's fonts. Says what a reader must know if there are only those.
///
/// # Errors
///
/// If the file can't be written.
pub(super) fn fonts(program: &Path, file: &Path) -> io::Result<Option<String>> {
    let package = program.parent().unwrap_or(Path::new("/")).join(FONTS);
    let cache = file.with_extension("cache");
    fs::write(
        file,
        format!(
            r#"<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>/usr/share/fonts</dir>
  <dir>/usr/local/share/fonts</dir>
  <dir prefix="xdg">fonts</dir>
  <dir>~/.fonts</dir>
  <dir>{package}</dir>
  <cachedir>{cache}</cachedir>
  <alias><family>sans-serif</family><default><family>Open Sans</family></default></alias>
  <alias><family>serif</family><default><family>Open Sans</family></default></alias>
  <alias><family>monospace</family><default><family>Open Sans</family></default></alias>
</fontconfig>
"#,
            package = escaped(&package),
            cache = escaped(&cache),
        ),
    )?;
    let own = ["/usr/share/fonts", "/usr/local/share/fonts"].map(PathBuf::from);
    let home =
        std::env::home_dir().into_iter().flat_map(|h| [h.join(".fonts"), h.join(".local/share/fonts")]);
    if own.into_iter().chain(home).any(|folder| folder.is_dir()) {
        return Ok(None);
    }
    Ok(Some(
        "this machine has no fonts: every page is shown in Open Sans, and may look different elsewhere"
            .into(),
    ))
}

fn escaped(path: &Path) -> String {
    path.display().to_string().replace('&', "&amp;").replace('<', "&lt;")
}
