//! Whether a folder's sessions belong together: told at loading, as far as their graphs declare it.

use percept_runtime::{Dim, Engine, Port};

use crate::{ModelError, family::PromptEncoder, folder::ModelFolder};

/// Refuses sessions that don't fit each other or the family. `features` is the vision session's output that has them.
///
/// # Errors
///
/// [`ModelError::Folder`] naming the session, what is wrong with it, and what to do.
pub(super) fn check(folder: &ModelFolder, engine: &Engine, features: Option<&str>) -> Result<(), ModelError> {
    let features = features.and_then(|features| {
        engine.signature(folder.family.parts().vision)?.output(features)?.shape.last()?.fixed()
    });
    check_widths(folder, engine, features)?;
    check_positions(folder, engine)?;
    check_side_inputs(folder, engine)?;
    check_looks(folder, engine, features)?;
    check_blocks(folder, engine.tells_blocks())?;
    check_prompt_encoder(folder, engine)?;
    check_outputs(folder, engine)
}

/// Image features must be as long as embeddings; noticed at loading where both graphs declare it.
fn check_widths(folder: &ModelFolder, engine: &Engine, features: Option<usize>) -> Result<(), ModelError> {
    let embeddings =
        engine.signature("embedding").and_then(|graph| graph.outputs.first()?.shape.last()?.fixed());
    let parts = folder.family.parts();
    match (features, embeddings) {
        // What is looked at needn't be as long as what is read.
        _ if folder.family.looks_at_images() => Ok(()),
        // Tokens have no width.
        _ if folder.family.image_vocabulary().is_some() => Ok(()),
        (Some(features), Some(embeddings)) if features != embeddings => Err(ModelError::Folder {
            path: folder.session(parts.vision)?.path.clone(),
            problem: format!(
                "its features have {features} numbers each, the embeddings of {} {embeddings}",
                parts.embedding
            ),
            remedy: "Take all sessions from the same export".into(),
        }),
        _ => Ok(()),
    }
}

/// What the decoder takes beside the embeddings must be as many things as the family has, and come out of the vision
/// encoder under the same names; noticed at loading as far as the graphs declare it.
fn check_side_inputs(folder: &ModelFolder, engine: &Engine) -> Result<(), ModelError> {
    let (taken, family) = (engine.side_inputs().count(), folder.family.as_ref());
    if taken != family.side_inputs() {
        return Err(ModelError::Folder {
            path: folder.decoder()?.path.clone(),
            problem: format!(
                "it takes {taken} inputs beside the embeddings with a row a token, this `{}` model has {}: what its \
                 vision encoder found in earlier layers",
                family.name(),
                family.side_inputs()
            ),
            remedy: "Export the decoder with an input for each, or take `config.json` from the same export"
                .into(),
        });
    }
    let encoder = engine.signature(folder.family.parts().vision);
    let mut problems = engine
        .side_inputs()
        .filter_map(|(name, width)| apart(name, width, encoder.and_then(|encoder| encoder.output(name))));
    let Some(problem) = problems.next() else { return Ok(()) };
    Err(ModelError::Folder {
        path: folder.session(folder.family.parts().vision)?.path.clone(),
        problem,
        remedy: "Take all sessions from the same export".into(),
    })
}

/// What is wrong with the output that goes into the decoder's input of this name, with so many numbers a row.
fn apart(name: &str, width: usize, output: Option<&Port>) -> Option<String> {
    let Some(output) = output else {
        return Some(format!("it has no output `{name}`, which the decoder takes beside the embeddings"));
    };
    let found = output.shape.last().and_then(Dim::fixed).filter(|found| *found != width)?;
    Some(format!("its output `{name}` has {found} numbers a row, the decoder takes {width}"))
}

/// A family that looks at images needs a decoder that does, at states as long as its vision encoder's; and the other way
/// round.
fn check_looks(folder: &ModelFolder, engine: &Engine, states: Option<usize>) -> Result<(), ModelError> {
    let (family, width) = (folder.family.as_ref(), engine.looks_at());
    let parts = family.parts();
    let bad = |session, problem: String| {
        Err(ModelError::Folder {
            path: folder.session(session).or_else(|_| folder.decoder())?.path.clone(),
            problem,
            remedy: "Take all sessions and `config.json` from the same export".into(),
        })
    };
    let encodes = family.prompt_encoder().is_some();
    let looked_at = if encodes { "`encoder_hidden_states`" } else { "`image_hidden_states`" };
    match (family.looks_at_images() || encodes, width) {
        (true, None) => bad(
            parts.decoder,
            format!("a `{}` model's decoder takes {looked_at}, this one doesn't", family.name()),
        ),
        (false, Some(_)) => bad(
            parts.decoder,
            format!(
                "it takes `image_hidden_states` or `encoder_hidden_states`, which a `{}` model hasn't",
                family.name()
            ),
        ),
        (true, Some(width)) => match states.filter(|found| *found != width) {
            Some(found) => bad(
                parts.vision,
                format!("its states have {found} numbers each, the decoder looks at states of {width}"),
            ),
            None => Ok(()),
        },
        (false, None) => Ok(()),
    }
}

/// What tells a decoder which tokens are an image's tells another one something else: `PaliGemma`'s, which tokens aren't a
/// prompt's.
fn check_blocks(folder: &ModelFolder, tells_blocks: bool) -> Result<(), ModelError> {
    if !tells_blocks || folder.family.images_see_each_other() {
        return Ok(());
    }
    Err(ModelError::Folder {
        path: folder.decoder()?.path.clone(),
        problem: format!(
            "it takes `token_type_ids`, and what they mean to a `{}` model isn't known here",
            folder.family.name()
        ),
        remedy: "Export it without that input, as `models/export` does, or take all sessions and `config.json` from the \
                 same export"
            .into(),
    })
}

/// What an encoder finds in a prompt must be as long as what the decoder looks at.
fn check_prompt_encoder(folder: &ModelFolder, engine: &Engine) -> Result<(), ModelError> {
    let Some(encoder) = folder.family.prompt_encoder() else { return Ok(()) };
    let outputs = engine.signature(encoder.session).map(|graph| graph.outputs.as_slice()).unwrap_or_default();
    let Some(problem) = unfit(outputs, engine.looks_at()) else { return Ok(()) };
    Err(ModelError::Folder {
        path: folder.session(encoder.session)?.path.clone(),
        problem,
        remedy: "Take all sessions from the same export".into(),
    })
}

/// What is wrong with an encoder of these outputs, for a decoder that looks at states of this width.
fn unfit(outputs: &[Port], looked_at: Option<usize>) -> Option<String> {
    let Some(states) = PromptEncoder::states(outputs, |port| &port.name) else {
        let (count, name) = (outputs.len(), PromptEncoder::STATES);
        return Some(format!("it has {count} outputs and none is `{name}`, what it finds in a prompt"));
    };
    let (found, width) = (states.shape.last().and_then(Dim::fixed)?, looked_at?);
    (found != width)
        .then(|| format!("its states have {found} numbers each, the decoder looks at states of {width}"))
}

/// A family that tells time, height and width apart needs a decoder that does.
fn check_positions(folder: &ModelFolder, engine: &Engine) -> Result<(), ModelError> {
    let rank = engine
        .signature("decoder")
        .and_then(|decoder| decoder.input(&folder.decoder_names.own("position_ids")))
        .map(|port| port.shape.len());
    if folder.family.positions(&[]).is_none() || rank == Some(3) {
        return Ok(());
    }
    Err(ModelError::Folder {
        path: folder.decoder()?.path.clone(),
        problem: format!(
            "a `{}` model's decoder takes `position_ids` in three rows [3, batch, tokens], this one doesn't",
            folder.family.name()
        ),
        remedy: "Export it with its own positions, as the transformers.js layout has them".into(),
    })
}

/// What a family needs of its vision encoder beside features must be there.
fn check_outputs(folder: &ModelFolder, engine: &Engine) -> Result<(), ModelError> {
    let given = |name: &str| {
        engine.signature(folder.family.parts().vision).is_some_and(|graph| graph.output(name).is_some())
    };
    match folder.family.encoder_outputs().iter().find(|name| !given(name)) {
        None => Ok(()),
        Some(name) => Err(ModelError::Folder {
            path: folder.session(folder.family.parts().vision)?.path.clone(),
            problem: format!(
                "it has no output `{name}`, without which a `{}` image can't be read",
                folder.family.name()
            ),
            remedy: "Export it with that output, as `models/export` does".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_encoder_finds_is_as_long_as_what_is_looked_at() {
        let port = |name: &str, width| Port {
            name: name.into(),
            element: Some(percept_runtime::Element::F32),
            shape: vec![Dim::Fixed(1), Dim::Named("tokens".into()), width],
        };
        let (fits, other) = (Dim::Fixed(32), Dim::Fixed(16));
        let cases = [
            (vec![port("states", fits.clone())], None),
            (vec![port("states", Dim::Named(String::new()))], None),
            (vec![port("more", other.clone()), port("last_hidden_state", fits.clone())], None),
            (
                vec![port("states", other.clone())],
                Some("have 16 numbers each, the decoder looks at states of 32"),
            ),
            (
                vec![port("a", fits.clone()), port("b", fits)],
                Some("has 2 outputs and none is `last_hidden_state`"),
            ),
            (vec![], Some("has 0 outputs")),
        ];
        for (outputs, expected) in cases {
            let problem = unfit(&outputs, Some(32));
            assert_eq!(problem.is_some(), expected.is_some(), "{outputs:?}: {problem:?}");
            assert!(problem.unwrap_or_default().contains(expected.unwrap_or_default()), "{outputs:?}");
        }
    }

    #[test]
    fn a_decoder_that_is_told_types_of_tokens_needs_a_family_that_knows_what_they_mean() {
        let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        for (name, tells, fits) in [
            ("gemma3-tiny", true, true),
            ("gemma3-tiny", false, true),
            ("paligemma-tiny", false, true),
            ("paligemma-tiny", true, false),
            ("qwen3-tiny", true, false),
        ] {
            let folder = ModelFolder::open(&data.join(name), None).unwrap();
            match check_blocks(&folder, tells) {
                Ok(()) => assert!(fits, "{name}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(!fits && error.contains("`token_type_ids`") && error.contains("onnx"), "{error}");
                }
            }
        }
    }

    #[test]
    fn what_goes_beside_the_embeddings_is_as_wide_as_the_decoder_takes_it() {
        let port = |last| Port {
            name: "deepstack.0".into(),
            element: Some(percept_runtime::Element::F32),
            shape: vec![Dim::Named("features".into()), last],
        };
        let cases = [
            (Some(port(Dim::Fixed(32))), None),
            (Some(port(Dim::Named(String::new()))), None),
            (Some(port(Dim::Fixed(16))), Some("has 16 numbers a row, the decoder takes 32")),
            (None, Some("has no output `deepstack.0`")),
        ];
        for (output, expected) in cases {
            let problem = apart("deepstack.0", 32, output.as_ref());
            assert_eq!(problem.is_some(), expected.is_some(), "{output:?}");
            assert!(problem.unwrap_or_default().contains(expected.unwrap_or_default()), "{output:?}");
        }
    }
}
