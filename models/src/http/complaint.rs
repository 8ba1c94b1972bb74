//! An API's error as it stands in a body or an event, and what it means for the next attempt.
//!
//! All three write `{"error": {"message", …}}`; a compatible server may write `{"message"}`, `{"detail"}`, or plain text.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use super::Patience;

/// The most characters of a message that are shown.
const SHOWN: usize = 600;

/// The most bytes of an error that are read.
const MOST_COMPLAINT: usize = 64 << 10;

/// The beginning of an error's body; what can't be read of it is left out.
pub(crate) async fn beginning(mut response: Response, patience: Patience) -> String {
    let mut body = Vec::new();
    while body.len() < MOST_COMPLAINT {
        match tokio::time::timeout(patience.idle, response.chunk()).await {
            Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
            _ => break,
        }
    }
    body.truncate(MOST_COMPLAINT);
    String::from_utf8_lossy(&body).into_owned()
}

/// A server's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// What it says.
    pub(crate) message: String,
    /// How it classifies that: `code`, `type` and `status` of all that are there, and Google's `reason`.
    kinds: Vec<String>,
    /// How long it asks to be left alone (Google says so in the body).
    pub(crate) retry_after: Option<Duration>,
}

impl Complaint {
    /// Reads a body or an event's data; `mask` takes the key out before anything is shortened, so that no half of it stays.
    pub(crate) fn read(text: &str, mask: impl Fn(&str) -> String) -> Self {
        let shortened = |text: &str| shortened(&mask(text));
        let value: Option<Value> = serde_json::from_str(text).ok();
        // Google's errors may come as a list of one.
        let value = value.map(|value| if value.is_array() { value[0].clone() } else { value });
        let Some(value) = value.filter(Value::is_object) else {
            return Self { message: shortened(text), ..Self::default() };
        };
        let error = value.get("error").unwrap_or(&value);
        let message = ["message", "detail", "error"].iter().find_map(|key| error.get(*key)?.as_str());
        let message = message.or(error.as_str()).map_or_else(|| shortened(text), shortened);
        let details = || error.get("details").and_then(Value::as_array).into_iter().flatten();
        let named = ["code", "type", "status"].iter().filter_map(|key| error.get(*key)?.as_str());
        let reasons = details().filter_map(|detail| detail.get("reason")?.as_str());
        let kinds = named.chain(reasons).map(str::to_lowercase).collect();
        let delay =
            details().find_map(|detail| detail.get("retryDelay")?.as_str()?.strip_suffix('s')?.parse().ok());
        let retry_after = delay.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Self { message, kinds, retry_after }
    }

    fn is(&self, kinds: &[&str]) -> bool {
        self.kinds.iter().any(|kind| kinds.contains(&kind.as_str()))
    }

    /// Whether the conversation is longer than the model's context; the run then shows it less.
    pub(crate) fn is_too_long(&self, status: u16) -> bool {
        let message = self.message.to_lowercase();
        let words = [
            // OpenAI and vLLM; Anthropic; Gemini; llama.cpp.
            "maximum context length",
            "prompt is too long",
            "exceeds the maximum number of tokens",
            "exceeds the available context size",
        ];
        status == 413
            || self.is(&["context_length_exceeded", "request_too_large", "exceed_context_size_error"])
            || (status == 400 && words.iter().any(|words| message.contains(words)))
    }

    /// Whether waiting doesn't help, whatever the status says: nothing is left to spend.
    pub(crate) fn is_final(&self) -> bool {
        self.is(&["insufficient_quota"])
    }

    /// Whether it is the key that is wrong; Google says so with status 400.
    pub(crate) fn is_about_key(&self) -> bool {
        self.is(&["api_key_invalid", "invalid_api_key", "authentication_error", "permission_error"])
    }

    /// Whether another attempt may go better; in the middle of an answer there is no status to go by.
    pub(crate) fn is_passing(&self) -> bool {
        self.is(&[
            "overloaded_error",
            "api_error",
            "rate_limit_error",
            "rate_limit_exceeded",
            "server_error",
            "unavailable",
            "internal",
        ])
    }
}

fn shortened(text: &str) -> String {
    // The sentence that it stands in has its own end.
    let text = text.trim().trim_end_matches('.');
    if text.is_empty() {
        return "it gave no reason".into();
    }
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_found_wherever_it_stands() {
        let cases = [
            (r#"{"error":{"message":"Bad.","type":"invalid_request_error","code":null}}"#, "Bad"),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, "Overloaded"),
            (r#"[{"error":{"code":400,"message":"Invalid.","status":"INVALID_ARGUMENT"}}]"#, "Invalid"),
            (r#"{"object":"error","message":"No such model."}"#, "No such model"),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"error":"model not found"}"#, "model not found"),
            ("<html>Bad Gateway</html>", "<html>Bad Gateway</html>"),
            ("", "it gave no reason"),
            (r#"{"odd":1}"#, r#"{"odd":1}"#),
        ];
        for (text, message) in cases {
            assert_eq!(Complaint::read(text, str::to_owned).message, message);
        }
        let masked = |text: &str| text.replace("secret", "*");
        let text = format!("{}secret", "x".repeat(SHOWN - 3));
        assert_eq!(Complaint::read(&text, masked).message, text.replace("secret", "*"));
        assert_eq!(Complaint::read(&"é".repeat(2000), str::to_owned).message.chars().count(), SHOWN + 1);
    }

    #[test]
    fn an_error_is_sorted_by_what_it_says() {
        let google = r#"{"error":{"code":429,"message":"Quota.","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37.5s"},
            {"reason":"API_KEY_INVALID"}]}}"#;
        let google = Complaint::read(google, str::to_owned);
        assert_eq!(google.retry_after, Some(Duration::from_millis(37_500)));
        assert!(google.is_about_key());
        let of = |kind: &str, message: &str| {
            Complaint::read(
                &serde_json::json!({ "error": { "type": kind, "message": message } }).to_string(),
                str::to_owned,
            )
        };
        assert!(of("insufficient_quota", "").is_final());
        assert!(of("overloaded_error", "").is_passing() && !of("invalid_request_error", "").is_passing());
        let long = "This model's maximum context length is 4096 tokens.";
        assert!(of("x", long).is_too_long(400) && !of("x", long).is_too_long(500));
        assert!(of("x", "prompt is too long: 9 tokens > 8 maximum").is_too_long(400));
        assert!(of("context_length_exceeded", "").is_too_long(400));
        assert!(of("x", "").is_too_long(413) && !of("x", "temperature is too high").is_too_long(400));
    }
}
