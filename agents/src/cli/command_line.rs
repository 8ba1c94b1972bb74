//! The command line, read; what is said of one that can't be holds no key, and is a document where one was asked for.

use std::{error::Error as _, process::ExitCode};

use clap::{
    Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use percept::models::ModelError;
use serde_json::json;

use super::{arguments::Arguments, failure::BAD_INPUT, output::Output};

/// Reads it; if that can't be, or it asks for help, says so and gives the exit code.
pub(super) fn read() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|mut error| {
        veil(&mut error);
        if error.exit_code() == 0 {
            error.exit();
        }
        // What follows `--` is no option.
        let options = std::env::args_os().take_while(|argument| argument != "--");
        if options.into_iter().any(|argument| argument == "--json") {
            let text = error.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            let (message, help) = text.split_once("\n\n").unwrap_or((text, ""));
            let help = Some(help.trim()).filter(|help| !help.is_empty());
            let document = json!({ "error": message.trim(), "help": help, "exit_code": BAD_INPUT });
            // Nobody may be reading any more; the exit code says it as well.
            let _ = Output::new(true).document(&document);
        }
        // A closed standard error leaves nobody to tell.
        let _ = error.print();
        ExitCode::from(BAD_INPUT)
    })
}

/// Takes a model's address out of what an error repeats: a key may stand anywhere in it. What is wrong with it, its own error says.
fn veil(error: &mut clap::Error) {
    let is_address = matches!(error.source(), Some(source) if source.is::<ModelError>());
    let repeated = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ if is_address => ContextKind::InvalidValue,
        _ => return,
    };
    if let Some(ContextValue::String(text)) = error.get(repeated)
        && let Some((kind, _)) = text.split_once(':')
    {
        let veiled = format!("{kind}:[…]");
        error.insert(repeated, ContextValue::String(veiled));
    }
}
