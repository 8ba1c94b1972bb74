//! Where the Hub is, where its files are kept, and who asks: by the variables that every program of the Hub reads
//! (<https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables>).

use std::{
    fmt,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use reqwest::Url;

use super::HubError;
use crate::http::{Key, Pace, Patience, RealPace};

/// The Hub itself.
const ENDPOINT: &str = "https://huggingface.co";
/// The values that switch a setting on.
const ON: [&str; 4] = ["1", "ON", "YES", "TRUE"];

/// How the Hub is asked, and where its files are kept.
#[derive(Clone)]
pub struct HubSettings {
    /// The server (`HF_ENDPOINT`).
    pub(super) endpoint: Url,
    /// The folder that all programs of the Hub keep their files in (`HF_HUB_CACHE`).
    pub(super) cache: PathBuf,
    /// Who asks (`HF_TOKEN`, or the file that a log-in leaves).
    pub(super) token: Option<Key>,
    /// Whether nothing may be fetched (`HF_HUB_OFFLINE`).
    pub(super) is_offline: bool,
    /// How long the server is waited for.
    pub patience: Patience,
    /// How the time between attempts passes.
    pub pace: Arc<dyn Pace>,
}

impl fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubSettings")
            .field("endpoint", &self.endpoint.as_str())
            .field("cache", &self.cache)
            .field("token", &self.token)
            .field("is_offline", &self.is_offline)
            .finish_non_exhaustive()
    }
}

impl HubSettings {
    /// What the process's environment says.
    ///
    /// # Errors
    ///
    /// [`HubError::Setting`] for a variable that can't be used, and where none says where files are kept.
    pub fn of_environment() -> Result<Self, HubError> {
        Self::of(&|name| std::env::var(name).ok())
    }

    /// What these variables say: `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`, `HF_HUB_CACHE`, `HF_HOME`,
    /// `XDG_CACHE_HOME`, and `HOME` or `USERPROFILE`.
    ///
    /// # Errors
    ///
    /// As [`HubSettings::of_environment`].
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let set =
            |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let home = || set("HOME").or_else(|| set("USERPROFILE")).map(PathBuf::from);
        let path = |name: &str| {
            set(name).map(|text| match (text.strip_prefix("~/"), home()) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => PathBuf::from(text),
            })
        };
        let own = path("HF_HOME")
            .or_else(|| path("XDG_CACHE_HOME").map(|caches| caches.join("huggingface")))
            .or_else(|| home().map(|home| home.join(".cache").join("huggingface")));
        let cache = path("HF_HUB_CACHE").or_else(|| own.as_ref().map(|own| own.join("hub")));
        let cache = cache.ok_or_else(|| HubError::Setting {
            problem: "nothing says where files of the Hub are kept".into(),
            remedy: "Set HF_HUB_CACHE to a folder".into(),
        })?;
        let token = match set("HF_TOKEN") {
            Some(token) => Some(Key::new("HF_TOKEN", token)),
            None => match path("HF_TOKEN_PATH").or_else(|| own.map(|own| own.join("token"))) {
                Some(file) => token_of(&file)?,
                None => None,
            },
        };
        let is_offline = set("HF_HUB_OFFLINE").is_some_and(|text| ON.contains(&text.to_uppercase().as_str()));
        let endpoint = endpoint(&set("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into()))?;
        let patience = Patience { idle: std::time::Duration::from_mins(1), ..Patience::default() };
        Ok(Self { endpoint, cache, token, is_offline, patience, pace: Arc::new(RealPace) })
    }
}

/// The token in a file; none if there is no such file.
fn token_of(file: &Path) -> Result<Option<Key>, HubError> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let text = text.trim();
            Ok((!text.is_empty()).then(|| Key::new("the Hub's token file", text.to_owned())))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(HubError::Setting {
            problem: format!("{}: {error}", file.display()),
            remedy: "Make it readable, or set HF_TOKEN".into(),
        }),
    }
}

fn endpoint(text: &str) -> Result<Url, HubError> {
    let bad = |problem: String| HubError::Setting {
        problem: format!("HF_ENDPOINT: {problem}"),
        remedy: format!("Name a server like {ENDPOINT}, or unset it"),
    };
    let url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
        return Err(bad("not an address that begins with http:// or https://".into()));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(bad(
            "a name, a password or a query in it would be shown; a token belongs in HF_TOKEN".into()
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<HubSettings, HubError> {
        HubSettings::of(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_cache_is_where_other_programs_look() {
        let home = ("HOME", "/home/ada");
        let cases: [(&[(&str, &str)], &str); 6] = [
            (&[home], "/home/ada/.cache/huggingface/hub"),
            (&[home, ("XDG_CACHE_HOME", "/caches")], "/caches/huggingface/hub"),
            (&[home, ("HF_HOME", "/hf"), ("XDG_CACHE_HOME", "/caches")], "/hf/hub"),
            (&[home, ("HF_HOME", "~/hf")], "/home/ada/hf/hub"),
            (&[home, ("HF_HUB_CACHE", "/models"), ("HF_HOME", "/hf")], "/models"),
            (&[("USERPROFILE", "/users/ada")], "/users/ada/.cache/huggingface/hub"),
        ];
        for (variables, cache) in cases {
            assert_eq!(of(variables).unwrap().cache, Path::new(cache), "{variables:?}");
        }
        assert!(of(&[]).unwrap_err().to_string().contains("Set HF_HUB_CACHE"));
    }

    #[test]
    fn a_token_comes_from_a_variable_or_the_file_of_a_log_in() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(of(&[("HF_HOME", home)]).unwrap().token, None);
        std::fs::write(folder.path().join("token"), "hf_lovelace\n").unwrap();
        assert_eq!(
            of(&[("HF_HOME", home)]).unwrap().token,
            Some(Key::new("the Hub's token file", "hf_lovelace".into()))
        );
        let named = of(&[("HF_HOME", home), ("HF_TOKEN", "hf_babbage")]).unwrap();
        assert_eq!(named.token, Some(Key::new("HF_TOKEN", "hf_babbage".into())));
        assert!(!format!("{named:?}").contains("babbage"));
    }

    #[test]
    fn only_a_word_that_means_so_keeps_it_offline() {
        for (text, is_offline) in [("1", true), ("true", true), ("Yes", true), ("0", false), ("", false)] {
            let settings = of(&[("HOME", "/"), ("HF_HUB_OFFLINE", text)]).unwrap();
            assert_eq!(settings.is_offline, is_offline, "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_a_server_and_nothing_secret() {
        for text in ["ftp://host", "host", "https://me:secret@host", "https://host?token=secret"] {
            let error = of(&[("HOME", "/"), ("HF_ENDPOINT", text)]).unwrap_err().to_string();
            assert!(error.starts_with("HF_ENDPOINT: ") && !error.contains("secret"), "{error}");
        }
    }
}
