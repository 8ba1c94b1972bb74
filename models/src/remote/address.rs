//! How a remote model is named: `openai:URL#name`, `gemini:name`, `anthropic:name?context=200000`.

use std::fmt;

use reqwest::Url;

use super::{api::RemoteApi, computer::ComputerTool};
use crate::ModelError;

/// A remote model's name, with where it is and how it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAddress {
    /// The API that it is asked by.
    pub api: RemoteApi,
    /// The base URL; `None` for the vendor's own.
    pub base: Option<String>,
    /// The name that the API knows it by.
    pub model: String,
    /// Its context in tokens, if the address gives it (`?context=32768`).
    pub context: Option<usize>,
    /// How many images one conversation may hold, if the address gives it (`?images=1`).
    pub max_images: Option<usize>,
    /// Whether it samples in its own way (`?sampling=own`): no temperature, no top-p, no seed is sent, because it
    /// would refuse them.
    pub own_sampling: bool,
    /// Whether it is asked how likely its words are (`?probabilities=yes`). Not every model tells, and one that doesn't
    /// refuses to answer at all.
    pub tells_probabilities: bool,
    /// The vendor's own tool for computer use, if it is asked with one (`?computer=native`, `?computer=TOOL`, or because
    /// the model is known to need it and the address doesn't say `?computer=functions`).
    pub computer: Option<ComputerTool>,
}

impl RemoteAddress {
    /// Reads what follows `openai:` and its like.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] that says what an address is.
    pub(crate) fn parse(api: RemoteApi, text: &str) -> Result<Self, ModelError> {
        let kind = api.facts().name;
        // What a person wrote may hold a key in any place: no error repeats it.
        let nameless = || match text.split_once("://") {
            Some((scheme, _)) => format!("`{kind}:{}` names no model", shown(scheme)),
            None => format!("`{kind}:` names no model"),
        };
        let bad = |problem: String| {
            ModelError::Request(format!(
                "{problem}; a remote model is `{kind}:NAME` or `{kind}:URL#NAME`, perhaps with `?context=TOKENS`, \
                 `?images=MOST`, `?sampling=own`, `?probabilities=yes` or `?computer=native` after the name, joined by `&`"
            ))
        };
        let (base, named) = match text.rsplit_once('#') {
            Some((base, named)) => (Some(base), named),
            None if text.contains("://") => return Err(bad(nameless())),
            None => (None, text),
        };
        let (model, settings) = named.split_once('?').unwrap_or((named, ""));
        if model.is_empty() || model.contains(char::is_whitespace) {
            return Err(bad(nameless()));
        }
        if let Some(base) = base {
            check_base(base).map_err(bad)?;
        }
        let mut address = Self {
            api,
            base: base.map(|base| base.trim_end_matches('/').to_owned()),
            model: model.to_owned(),
            context: None,
            max_images: None,
            own_sampling: false,
            tells_probabilities: false,
            computer: ComputerTool::known(api, model),
        };
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            let number = value.parse::<usize>().ok().filter(|number| *number > 0);
            match (key, value, number) {
                ("context", _, Some(number)) => address.context = Some(number),
                ("images", _, Some(number)) => address.max_images = Some(number),
                ("sampling", "own", _) => address.own_sampling = true,
                ("probabilities", "yes", _) if api == RemoteApi::Anthropic => {
                    return Err(bad("Anthropic's API tells no probabilities".into()));
                }
                ("probabilities", "yes", _) => address.tells_probabilities = true,
                ("computer", named, _) if !named.is_empty() => {
                    address.computer = ComputerTool::set(api, model, named).map_err(bad)?;
                }
                _ if !value.is_empty() => return Err(bad(format!("`{key}` can't be set so"))),
                _ => return Err(bad("a setting without a value can't be set".into())),
            }
        }
        if let Some(tool) = address.computer {
            address.api = tool.api();
        }
        if address.tells_probabilities && address.api == RemoteApi::Responses {
            return Err(bad("OpenAI's tool for computer use comes with no probabilities".into()));
        }
        Ok(address)
    }

    /// Where it is.
    pub(super) fn url(&self) -> Result<Url, ModelError> {
        let base = self.base.as_deref().unwrap_or(self.api.facts().base);
        let mut url = check_base(base).map_err(ModelError::Request)?;
        let (path, query) = self.api.path(&self.model);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url.set_query(query);
        Ok(url)
    }
}

/// A base URL, if this may be one. What it holds is written into the run's folder, so it may hold no key, and neither may
/// the error.
fn check_base(base: &str) -> Result<Url, String> {
    let shown = shown(base.split_once("://").map_or("", |(scheme, _)| scheme));
    let url = Url::parse(base).map_err(|error| format!("`{shown}`: {error}"))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(format!("`{shown}`: not an address that begins with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(format!(
            "`{shown}`: a name, a password or a query in an address would be written down: keys come from the environment"
        ));
    }
    Ok(url)
}

/// All of a URL that an error may show: its scheme, if that is one.
fn shown(scheme: &str) -> String {
    let is_scheme = !scheme.is_empty() && scheme.chars().all(|letter| letter.is_ascii_alphanumeric());
    if is_scheme { format!("{scheme}://[…]") } else { "[…]".into() }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.api.facts().name)?;
        if let Some(base) = &self.base {
            write!(f, "{base}#")?;
        }
        write!(f, "{}", self.model)?;
        let settings = [
            self.context.map(|tokens| format!("context={tokens}")),
            self.max_images.map(|most| format!("images={most}")),
            self.own_sampling.then(|| "sampling=own".to_owned()),
            self.tells_probabilities.then(|| "probabilities=yes".to_owned()),
            (self.computer != ComputerTool::known(self.api, &self.model)).then(|| {
                format!("computer={}", self.computer.map_or(ComputerTool::FUNCTIONS, ComputerTool::name))
            }),
        ];
        let settings: Vec<String> = settings.into_iter().flatten().collect();
        if settings.is_empty() { Ok(()) } else { write!(f, "?{}", settings.join("&")) }
    }
}
