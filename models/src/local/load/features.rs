//! Which output of the vision session holds an image's features: decided once, when a folder is loaded.

use percept_runtime::Engine;

use crate::{ModelError, folder::ModelFolder};

/// What an image's features are known by.
const FEATURES: &str = "image_features";

/// The output's name; `None` for a model that sees nothing.
///
/// # Errors
///
/// [`ModelError::Folder`] naming the vision session, where it can't be told.
pub(super) fn output(folder: &ModelFolder, engine: &Engine) -> Result<Option<String>, ModelError> {
    let family = folder.family.as_ref();
    let vision = family.parts().vision;
    // One session that sees and looks tokens up may be there under the other name alone.
    let signature = engine.signature(vision).or_else(|| engine.signature("embedding"));
    let Some(signature) = signature.filter(|_| family.sees()) else { return Ok(None) };
    let outputs: Vec<&str> = signature.outputs.iter().map(|port| port.name.as_str()).collect();
    let named = folder.vision_names.iter().find(|(known, _)| known == FEATURES).map(|(_, own)| own.as_str());
    let is_other = |name: &str| {
        family.encoder_outputs().contains(&name) || engine.side_inputs().any(|(side, _)| side == name)
    };
    match chosen(&outputs, named, is_other) {
        Ok(output) => Ok(Some(output.to_owned())),
        Err(problem) => Err(ModelError::Folder {
            path: folder.session(vision)?.path.clone(),
            problem,
            remedy: format!(
                "Export it with the features as `{FEATURES}`, or take all files from the same export"
            ),
        }),
    }
}

/// The one that the folder names, else the one that is usually named so, else the only one of no other use.
fn chosen<'a>(
    outputs: &[&'a str],
    named: Option<&str>,
    is_other: impl Fn(&str) -> bool,
) -> Result<&'a str, String> {
    let listed = |outputs: &[&str]| match outputs {
        [] => "none".to_owned(),
        outputs => outputs.join(", "),
    };
    if let Some(named) = named {
        return outputs.iter().find(|output| **output == named).copied().ok_or_else(|| {
            format!(
                "it has no output `{named}`, by which the folder names the features; it has {}",
                listed(outputs)
            )
        });
    }
    if let Some(usual) = outputs.iter().find(|output| **output == FEATURES) {
        return Ok(usual);
    }
    let left: Vec<&str> = outputs.iter().filter(|output| !is_other(output)).copied().collect();
    match left.as_slice() {
        [only] => Ok(only),
        left => Err(format!(
            "which of its outputs holds an image's features can't be told; none is called `{FEATURES}`, and there \
             might be meant: {}",
            listed(left)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_what_is_named_so_or_all_that_there_is() {
        let cases = [
            (vec!["image_features"], None, Ok("image_features")),
            (vec!["pooled", "image_features"], None, Ok("image_features")),
            (vec!["hidden"], None, Ok("hidden")),
            (vec!["side", "hidden"], None, Ok("hidden")),
            (vec!["hidden", "image_features"], Some("hidden"), Ok("hidden")),
            (vec!["image_features"], Some("hidden"), Err("no output `hidden`")),
            (vec!["hidden", "pooled", "side"], None, Err("might be meant: hidden, pooled")),
            (vec!["side"], None, Err("might be meant: none")),
        ];
        for (outputs, named, expected) in cases {
            let found = chosen(&outputs, named, |name| name == "side");
            let is_expected = match (&found, expected) {
                (Ok(found), Ok(expected)) => *found == expected,
                (Err(found), Err(expected)) => found.contains(expected),
                _ => false,
            };
            assert!(is_expected, "{found:?}, not {expected:?}");
        }
    }
}
