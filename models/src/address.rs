//! Model addresses: how a user names a model, and how it is opened.
//!
//! `bundled:glance`, a folder, `scripted:FILE`; a folder's precision may follow it: `models/smolvlm#q4`. And remote
//! ones: `openai:URL#name`, `gemini:name`, `anthropic:name`. And one of the Hub: `hub:org/name@revision#q4`.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use percept_runtime::{Device, Progress};

use crate::{
    ChatModel, Hub, HubAddress, HubSettings, LoadOptions, LocalDualEncoder, LocalModel, ModelError,
    Precision, RemoteAddress, RemoteApi, RemoteModel, RemoteOptions, ScriptedModel, bundled_folder,
    dual_encoder, folder::family_of_folder,
};

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelAddress {
    /// One that comes with the program.
    Bundled {
        /// Its name.
        name: String,
        /// The precision of its sessions, if one is asked for.
        precision: Option<Precision>,
    },
    /// A folder in the community's layout.
    Folder {
        /// Its path.
        path: PathBuf,
        /// The precision of its sessions, if one is asked for.
        precision: Option<Precision>,
    },
    /// One of the Hugging Face Hub, fetched when it is first opened.
    Hub {
        /// Its repository and revision.
        address: HubAddress,
        /// The precision of its sessions, if one is asked for.
        precision: Option<Precision>,
    },
    /// Replies from a file.
    Scripted(PathBuf),
    /// One behind an API.
    Remote(RemoteAddress),
}

impl FromStr for ModelAddress {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = |problem: String| {
            ModelError::Request(format!(
                "{problem}; a model is `bundled:glance`, a folder (`models/smolvlm`, or `models/smolvlm#q4` for a \
                 precision), `hub:ORGANISATION/NAME`, `openai:URL#NAME`, `gemini:NAME`, `anthropic:NAME` or `scripted:FILE`"
            ))
        };
        if text.is_empty() {
            return Err(unknown("no model is named".into()));
        }
        if let Some((kind, rest)) = text.split_once(':')
            && let Some(api) = RemoteApi::named(kind)
        {
            return Ok(Self::Remote(RemoteAddress::parse(api, rest)?));
        }
        match text.split_once(':') {
            Some(("bundled", name)) => {
                let (name, precision) = split_precision(name)?;
                return Ok(Self::Bundled { name: name.into(), precision });
            }
            Some(("scripted", file)) => return Ok(Self::Scripted(file.into())),
            Some(("hub", named)) => {
                let (named, precision) = split_precision(named)?;
                return Ok(Self::Hub { address: named.parse()?, precision });
            }
            // A single letter is a drive of Windows.
            Some((kind, _))
                if kind.len() > 1 && !kind.contains(['/', '\\', '.']) && !Path::new(text).exists() =>
            {
                return Err(unknown(format!("`{kind}:` isn't a kind of address")));
            }
            _ => {}
        }
        if Path::new(text).exists() {
            return Ok(Self::Folder { path: text.into(), precision: None });
        }
        let (path, precision) = split_precision(text)?;
        Ok(Self::Folder { path: path.into(), precision })
    }
}

fn split_precision(text: &str) -> Result<(&str, Option<Precision>), ModelError> {
    match text.rsplit_once('#') {
        Some((rest, name)) => Ok((rest, Some(Precision::named(name)?))),
        None => Ok((text, None)),
    }
}

impl fmt::Display for ModelAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = match self {
            Self::Bundled { name, precision } => {
                write!(f, "bundled:{name}")?;
                precision
            }
            Self::Folder { path, precision } => {
                write!(f, "{}", path.display())?;
                precision
            }
            Self::Hub { address, precision } => {
                write!(f, "{address}")?;
                precision
            }
            Self::Scripted(path) => return write!(f, "scripted:{}", path.display()),
            Self::Remote(address) => return write!(f, "{address}"),
        };
        precision.as_ref().map_or(Ok(()), |precision| write!(f, "#{precision}"))
    }
}

impl ModelAddress {
    /// The same model in a precision, which replaces the one that the address names. What has no precisions stays as it is.
    #[must_use]
    pub fn in_precision(mut self, wanted: Precision) -> Self {
        match &mut self {
            Self::Bundled { precision, .. }
            | Self::Folder { precision, .. }
            | Self::Hub { precision, .. } => {
                *precision = Some(wanted);
            }
            Self::Scripted(_) | Self::Remote(_) => {}
        }
        self
    }

    /// Whether the model might caption an image without a word, as far as that is known before it is opened. Where it can't
    /// be known, it might.
    pub fn may_caption(&self) -> bool {
        let folder = match self {
            Self::Scripted(_) | Self::Remote(_) => return false,
            // Fetched only when it is opened.
            Self::Hub { .. } => return true,
            Self::Bundled { name, .. } => bundled_folder(name),
            Self::Folder { path, .. } => Ok(path.clone()),
        };
        let family = folder.and_then(|folder| family_of_folder(&folder));
        // What is wrong with a folder is told when it is opened.
        family.map_or(true, |family| family.captions())
    }

    /// Opens the model. A precision in the address wins over the one in the options; the card's name is the
    /// address unless the options name another.
    ///
    /// # Errors
    ///
    /// Those of [`LocalModel::load`], [`RemoteModel::open`], [`ScriptedModel::of_file`], [`Hub::obtain`] and [`bundled_folder`].
    pub async fn open(
        &self,
        options: LoadOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<Arc<dyn ChatModel>, ModelError> {
        if options.window.is_some() && matches!(self, Self::Scripted(_) | Self::Remote(_)) {
            return Err(ModelError::Request(format!(
                "a window is for models on this machine, and {self} is none: leave it out"
            )));
        }
        if options.context.is_some() && matches!(self, Self::Scripted(_) | Self::Remote(_)) {
            return Err(ModelError::Request(format!(
                "a shorter context is for models on this machine, and {self} is none: leave it out, or tell how much a remote \
                 model's API takes with `?context=TOKENS` in its address"
            )));
        }
        match self {
            Self::Scripted(path) => Ok(Arc::new(ScriptedModel::of_file(path)?)),
            Self::Remote(address) => {
                let mut remote = RemoteOptions { name: options.name, ..RemoteOptions::default() };
                if options.device != Device::Auto {
                    let device = &options.device;
                    remote.notes.push(format!(
                        "{device} is for models on this machine: this one runs where its server does"
                    ));
                }
                Ok(Arc::new(RemoteModel::open(address, remote)?))
            }
            _ => Ok(Arc::new(self.open_local(options, progress).await?)),
        }
    }

    /// Opens a model that runs on this machine.
    ///
    /// # Errors
    ///
    /// Those of [`LocalModel::load`], [`Hub::obtain`] and [`bundled_folder`], and [`ModelError::Request`] for an address of
    /// another kind.
    pub async fn open_local(
        &self,
        mut options: LoadOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<LocalModel, ModelError> {
        let Place { path, precision, note } = self.place(options.precision.as_ref(), &*progress).await?;
        options.notes.extend(note);
        options.name.get_or_insert_with(|| self.to_string());
        options.precision = precision.or(options.precision);
        // Boxed: a loading holds all of its options, and callers hold it.
        Box::pin(LocalModel::load(&path, options, progress)).await
    }

    /// Opens a model that puts images and texts into one space.
    ///
    /// # Errors
    ///
    /// Those of [`LocalDualEncoder::load`], [`Hub::obtain`] and [`bundled_folder`], and [`ModelError::Request`] for an address of
    /// another kind.
    pub async fn open_encoder(
        &self,
        mut options: LoadOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<LocalDualEncoder, ModelError> {
        let Place { path, precision, note } = self.place(options.precision.as_ref(), &*progress).await?;
        options.notes.extend(note);
        options.name.get_or_insert_with(|| self.to_string());
        options.precision = precision.or(options.precision);
        LocalDualEncoder::load(&path, options, progress).await
    }

    /// Whether the model there is a dual encoder, by its `config.json`; then [`ModelAddress::open_encoder`] opens it. One of
    /// the Hub is fetched if it isn't there.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if there is no such folder or its `config.json` can't be read; those of [`Hub::obtain`].
    pub async fn is_dual_encoder(&self, progress: &dyn Progress) -> Result<bool, ModelError> {
        match self {
            Self::Scripted(_) | Self::Remote(_) => Ok(false),
            _ => Ok(dual_encoder::belongs_here(&self.place(None, progress).await?.path)?.is_some()),
        }
    }

    /// The folder on this machine, fetched first if it is the Hub's, and the precision that the address names.
    ///
    /// # Errors
    ///
    /// Those of [`Hub::obtain`] and [`bundled_folder`], and [`ModelError::Request`] for an address of another kind.
    pub async fn folder(&self, progress: &dyn Progress) -> Result<(PathBuf, Option<Precision>), ModelError> {
        let Place { path, precision, .. } = self.place(None, progress).await?;
        Ok((path, precision))
    }

    /// Where it is, fetched first if it is the Hub's; `otherwise` is the precision that is meant if the address names none.
    async fn place(
        &self,
        otherwise: Option<&Precision>,
        progress: &dyn Progress,
    ) -> Result<Place, ModelError> {
        match self {
            Self::Hub { address, precision } => {
                let hub = Hub::new(HubSettings::of_environment()?)?;
                // Boxed: most addresses have no use for so large a future.
                let found = Box::pin(hub.obtain(address, precision.as_ref().or(otherwise), progress)).await?;
                let note = Some(format!("{address} is at commit {}", found.commit));
                Ok(Place { path: found.folder, precision: precision.clone(), note })
            }
            Self::Bundled { name, precision } => {
                Ok(Place { path: bundled_folder(name)?, precision: precision.clone(), note: None })
            }
            Self::Folder { path, precision } => {
                Ok(Place { path: path.clone(), precision: precision.clone(), note: None })
            }
            Self::Scripted(_) | Self::Remote(_) => {
                Err(ModelError::Request(format!("{self} isn't a model that runs on this machine")))
            }
        }
    }
}

/// A folder on this machine.
struct Place {
    path: PathBuf,
    /// The one that the address asks for.
    precision: Option<Precision>,
    /// What a user should know about it.
    note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ComputerTool;

    #[test]
    fn an_address_is_read_and_written_the_same() {
        let named = |name| Some(Precision::named(name).unwrap());
        let plain = |api, base: Option<&str>, model: &str| RemoteAddress {
            api,
            base: base.map(Into::into),
            model: model.into(),
            context: None,
            max_images: None,
            own_sampling: false,
            tells_probabilities: false,
            computer: None,
        };
        let remote = |api, base, model| ModelAddress::Remote(plain(api, base, model));
        let here = Some("http://[::1]:8000/v1");
        let claude = plain(RemoteApi::Anthropic, None, "claude");
        let computer = |name, tool: ComputerTool| {
            ModelAddress::Remote(RemoteAddress { computer: Some(tool), ..plain(tool.api(), None, name) })
        };
        let all = RemoteAddress { context: Some(9), max_images: Some(1), own_sampling: true, ..claude };
        let flash = plain(RemoteApi::Gemini, None, "flash");
        let telling = RemoteAddress { tells_probabilities: true, ..flash };
        let cases = [
            ("bundled:glance", ModelAddress::Bundled { name: "glance".into(), precision: None }),
            ("bundled:glance#q4", ModelAddress::Bundled { name: "glance".into(), precision: named("q4") }),
            ("models/smolvlm", ModelAddress::Folder { path: "models/smolvlm".into(), precision: None }),
            ("./a:b/m#fp16", ModelAddress::Folder { path: "./a:b/m".into(), precision: named("fp16") }),
            ("hub:org/name", ModelAddress::Hub { address: "org/name".parse().unwrap(), precision: None }),
            (
                "hub:org/name@v1#q4",
                ModelAddress::Hub { address: "org/name@v1".parse().unwrap(), precision: named("q4") },
            ),
            ("scripted:a#b.json", ModelAddress::Scripted("a#b.json".into())),
            ("gemini:gemini-2.5-flash", remote(RemoteApi::Gemini, None, "gemini-2.5-flash")),
            ("openai:http://[::1]:8000/v1#qwen2.5vl:7b", remote(RemoteApi::OpenAi, here, "qwen2.5vl:7b")),
            ("openai:http://[::1]:8000/v1#Qwen/Qwen3-VL", remote(RemoteApi::OpenAi, here, "Qwen/Qwen3-VL")),
            ("anthropic:claude?context=9&images=1&sampling=own", ModelAddress::Remote(all)),
            ("gemini:flash?probabilities=yes", ModelAddress::Remote(telling)),
            // Models that are made for the tool have it unless the address says otherwise.
            ("openai:computer-use-preview", computer("computer-use-preview", ComputerTool::Preview)),
            ("openai:gpt-5.4?computer=computer", computer("gpt-5.4", ComputerTool::OpenAi)),
            ("anthropic:claude?computer=computer_20250124", computer("claude", ComputerTool::Claude202501)),
            (
                "openai:computer-use-preview?computer=functions",
                remote(RemoteApi::OpenAi, None, "computer-use-preview"),
            ),
        ];
        for (text, address) in cases {
            assert_eq!(text.parse::<ModelAddress>().unwrap(), address);
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn a_precision_replaces_that_of_an_address() {
        let cases = [
            ("m", "m#q4"),
            ("m#fp16", "m#q4"),
            ("bundled:glance#fp16", "bundled:glance#q4"),
            ("hub:org/name@v1#fp16", "hub:org/name@v1#q4"),
            ("scripted:a.json", "scripted:a.json"),
            ("gemini:flash", "gemini:flash"),
        ];
        for (text, expected) in cases {
            let address: ModelAddress = text.parse().unwrap();
            assert_eq!(address.in_precision(Precision::named("q4").unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn what_isnt_there_is_refused_with_what_is() {
        let cases = [
            ("", "no model is named"),
            ("hub:name", "`name`: no organisation and name of a model"),
            ("hub:org/name#q 4", "`q 4` isn't a precision"),
            ("openai:", "`openai:` names no model"),
            ("openai:http://127.0.0.1:8000/v1", "`openai:http://[…]` names no model"),
            ("gemini:https://host/#", "`gemini:https://[…]` names no model"),
            ("openai:ftp://host#x", "`ftp://[…]`: not an address that begins with http:// or https://"),
            ("openai:http://#x", "`http://[…]`: empty host"),
            (
                "openai:https://me:secret@host/v1#x",
                "`https://[…]`: a name, a password or a query in an address",
            ),
            (
                "openai:https://host/v1?key=secret#x",
                "`https://[…]`: a name, a password or a query in an address",
            ),
            (
                "openai:computer-use-preview?probabilities=yes",
                "OpenAI's tool for computer use comes with no probabilities",
            ),
            ("anthropic:x?context=many", "`context` can't be set so"),
            ("anthropic:x?images=0", "`images` can't be set so"),
            ("anthropic:x?temperature=1", "`temperature` can't be set so"),
            ("bundle:glance", "`bundle:` isn't a kind of address"),
            ("models/smolvlm#", "`` isn't a precision"),
            ("bundled:glance#q 4", "`q 4` isn't a precision"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<ModelAddress>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_secret_in_an_address_is_in_no_error_about_it() {
        for text in [
            "openai:https://me:secret@host:99999/v1#x",
            "openai:ftp://me:secret@host#x",
            "openai:https://host/v1?key=secret",
            "openai:https://me:secret@h/v1#",
            "openai:https://host/v1#x?key=secret",
            "openai:https://host/v1#x?secret",
            "openai:https://host/v1#x?secret=",
            "openai:https://host/v1?key=secret#x",
            "openai:me:secret@host/v1#x",
            "openai:secret@host://v1#x",
            "openai:secret with spaces",
        ] {
            let error = text.parse::<ModelAddress>().unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(!told.contains("secret") && !told.contains("me:"), "{text}: {told}");
        }
    }
}
