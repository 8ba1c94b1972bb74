//! A screen that shows no secret: not in its pixels, its texts, its elements or its errors.

use std::sync::Arc;

use async_trait::async_trait;
use percept_tools::{Cause, Element, Input, Screen, ScreenError, ScreenPoint, ScreenRegion, Screenshot};

use super::Secrets;

/// A screen whose secrets nobody sees.
pub(super) struct Veiled {
    screen: Arc<dyn Screen>,
    secrets: Secrets,
}

impl Veiled {
    pub(super) fn new(screen: Arc<dyn Screen>, secrets: Secrets) -> Self {
        Self { screen, secrets }
    }

    /// Where secrets are shown now; `None` if the screen can't tell.
    async fn places(&self) -> Result<Option<Vec<ScreenRegion>>, ScreenError> {
        match self.screen.places_of(&self.secrets.values()).await {
            Ok(places) => Ok(Some(places)),
            Err(ScreenError::Unsupported { .. }) => Ok(None),
            Err(error) => Err(self.hushed(error)),
        }
    }

    /// The same failure without a secret in its words: an address or a page's own message may hold one.
    fn hushed(&self, error: ScreenError) -> ScreenError {
        let hidden = |text: String| self.secrets.hidden(&text);
        match error {
            ScreenError::Unsupported { what } => ScreenError::Unsupported { what: hidden(what) },
            ScreenError::Refused { reason } => ScreenError::Refused { reason: hidden(reason) },
            ScreenError::Missing { what, remedy } => {
                ScreenError::Missing { what: hidden(what), remedy: hidden(remedy) }
            }
            ScreenError::Gone { reason } => ScreenError::Gone { reason: hidden(reason) },
            ScreenError::Broken(cause) => ScreenError::Broken(hushed(cause, &self.secrets)),
            other => other,
        }
    }

    fn hidden(&self, mut element: Element) -> Element {
        element.name = self.secrets.hidden(&element.name);
        element.value = element.value.map(|value| self.secrets.hidden(&value));
        element
    }
}

#[async_trait]
impl Screen for Veiled {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        let before = self.places().await?;
        let mut seen = self.screen.look().await.map_err(|error| self.hushed(error))?;
        // The page may have moved while it came to rest: what is painted over is where a secret was, and where it is.
        let after = self.places().await?;
        match (before, after) {
            (Some(before), Some(after)) => {
                seen.paint_over(&before);
                seen.paint_over(&after);
            }
            _ => seen.notes.push("this screen can't say where it shows a secret: it may be seen".into()),
        }
        seen.location = seen.location.map(|place| self.secrets.hidden(&place));
        seen.notes = seen.notes.iter().map(|note| self.secrets.hidden(note)).collect();
        Ok(seen)
    }

    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        self.screen.act(input).await.map_err(|error| self.hushed(error))
    }

    async fn visible_text(&self) -> Result<String, ScreenError> {
        let text = self.screen.visible_text().await.map_err(|error| self.hushed(error))?;
        Ok(self.secrets.hidden(&text))
    }

    async fn element_at(&self, at: ScreenPoint) -> Result<Option<Element>, ScreenError> {
        let element = self.screen.element_at(at).await.map_err(|error| self.hushed(error))?;
        Ok(element.map(|element| self.hidden(element)))
    }

    async fn elements(&self) -> Result<Vec<Element>, ScreenError> {
        let elements = self.screen.elements().await.map_err(|error| self.hushed(error))?;
        Ok(elements.into_iter().map(|element| self.hidden(element)).collect())
    }

    async fn places_of(&self, texts: &[String]) -> Result<Vec<ScreenRegion>, ScreenError> {
        self.screen.places_of(texts).await.map_err(|error| self.hushed(error))
    }

    async fn close(&self) -> Result<(), ScreenError> {
        self.screen.close().await.map_err(|error| self.hushed(error))
    }
}

/// A cause whose whole story holds no secret: as it is, or else in words alone.
fn hushed(cause: Cause, secrets: &Secrets) -> Cause {
    let mut story = cause.to_string();
    let mut source = cause.source();
    while let Some(error) = source {
        story = format!("{story}: {error}");
        source = error.source();
    }
    let hidden = secrets.hidden(&story);
    if hidden == story { cause } else { hidden.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A screen that names what it was asked for in its failures.
    struct Telltale;

    #[async_trait]
    impl Screen for Telltale {
        async fn look(&self) -> Result<Screenshot, ScreenError> {
            Err(ScreenError::Gone { reason: "https://a.example/?p=lovelace is gone".into() })
        }

        async fn act(&self, _: &Input) -> Result<(), ScreenError> {
            Err(ScreenError::Broken("lovelace broke it".into()))
        }

        async fn visible_text(&self) -> Result<String, ScreenError> {
            Err(ScreenError::Refused { reason: "no text at love%6Cace".into() })
        }
    }

    #[tokio::test]
    async fn a_failure_tells_no_secret_either() {
        let mut secrets = Secrets::default();
        secrets.add("password", "lovelace", &[]).unwrap();
        let screen = secrets.veil(Arc::new(Telltale));
        let errors = [
            screen.look().await.map(drop).unwrap_err(),
            screen.act(&Input::Text("x".into())).await.unwrap_err(),
            screen.visible_text().await.map(drop).unwrap_err(),
        ];
        for error in errors {
            let told = error.to_string();
            assert!(told.contains("{{password}}") && !told.contains("lace"), "{told}");
        }
    }
}
