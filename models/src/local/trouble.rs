//! The engine's errors, sorted by who can mend them.

use std::path::Path;

use percept_runtime::{ConstraintError, DeviceError, EngineError};

use crate::ModelError;

/// An error of the engine as this crate sorts errors: the folder's fault, the request's, or the engine's own.
pub(crate) fn engine_error(error: EngineError) -> ModelError {
    let problem = error.to_string();
    match error {
        EngineError::Missing { path } => crate::folder::missing(&path),
        EngineError::Torn { path, reason } => ModelError::Folder {
            path,
            problem: format!("it is no whole ONNX graph: {reason}"),
            remedy: "Fetch or export it again".into(),
        },
        EngineError::Graph { path, .. } | EngineError::Contradiction { path, .. } => ModelError::Folder {
            path,
            problem,
            remedy: "Take `config.json` and the sessions from the same export".into(),
        },
        EngineError::Operator { path, operator, device, library } => ModelError::Folder {
            path,
            problem: format!("it needs the operator {operator}, in a form that {library} doesn't have on {device}"),
            remedy: "Take a newer ONNX Runtime (`ORT_DYLIB_PATH` names one), another device, or an export without it"
                .into(),
        },
        EngineError::NotFinite { path, broken, of } => ModelError::Folder {
            path,
            problem: format!("this graph gave {broken} scores of {of} that are no numbers (NaN or infinite)"),
            remedy: "Fetch or export it again, or take another precision or device".into(),
        },
        EngineError::CacheMemory { path, bytes, positions, source } => ModelError::Folder {
            path,
            problem: format!(
                "there is no memory for one sequence's cache, {bytes} bytes for {positions} tokens: {source}"
            ),
            remedy: "Load it with a shorter context (`percept ask --context`, `LoadOptions::context`), in a smaller precision, or \
                     on another device"
                .into(),
        },
        // Where the file itself is whole, its external data may not be.
        EngineError::Device(DeviceError::Graph { path, device, reason }) => ModelError::Folder {
            path,
            problem: format!("it can't be opened on {device}: {reason}"),
            remedy: "Fetch it again with the data files beside it, or try another device".into(),
        },
        EngineError::ContextFull { .. } => ModelError::Conversation(problem),
        EngineError::Sampling { .. } | EngineError::CacheForm { .. } | EngineError::Window { .. } => {
            ModelError::Request(problem)
        }
        EngineError::Constraint(error) => constraint_error(error),
        other => ModelError::Engine(other.into()),
    }
}

/// What a session gave can't be right, whatever it was given.
pub(super) fn broken_session(path: &Path, problem: String) -> ModelError {
    let remedy = "Fetch or export it again, or take another precision or device".into();
    ModelError::Folder { path: path.to_owned(), problem, remedy }
}

/// A grammar that can't be made is the request's fault; one that was left is the engine's.
pub(super) fn constraint_error(error: ConstraintError) -> ModelError {
    match error {
        ConstraintError::Left { .. } => ModelError::Engine(error.into()),
        other => ModelError::Request(other.to_string()),
    }
}
