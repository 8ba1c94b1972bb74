//! Spans for whoever traces an app: a run, each question to a model, each call of a tool, named as OpenTelemetry's
//! semantic conventions for generative AI name them (`invoke_agent`, `chat`, `execute_tool`). They carry names and
//! numbers, never a prompt, an argument or a result.

use percept_models::{Completion, Generate, ModelCard, StopReason};
use tracing::{Span, field::Empty, info_span};

use crate::{Beginning, RunResult};

/// A run's.
pub(crate) fn run(beginning: &Beginning) -> Span {
    info_span!(
        target: "percept",
        "invoke_agent",
        otel.name = "invoke_agent percept",
        gen_ai.operation.name = "invoke_agent",
        gen_ai.agent.name = "percept",
        gen_ai.conversation.id = %beginning.run,
        gen_ai.request.model = %beginning.model.name,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        percept.outcome = Empty,
        percept.verified = Empty,
        percept.steps = Empty,
    )
}

/// What a run came to.
pub(crate) fn ended(span: &Span, result: &RunResult) {
    span.record("gen_ai.usage.input_tokens", result.usage.fresh_tokens + result.usage.cached_tokens);
    span.record("gen_ai.usage.output_tokens", result.usage.output_tokens);
    span.record("percept.outcome", result.outcome.word());
    span.record("percept.steps", result.steps);
    if let Some(verified) = result.verified {
        span.record("percept.verified", verified);
    }
}

/// A question's.
pub(crate) fn chat(card: &ModelCard, step: usize, options: &Generate) -> Span {
    info_span!(
        target: "percept",
        "chat",
        otel.name = %format_args!("chat {}", card.name),
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "percept",
        gen_ai.request.model = %card.name,
        gen_ai.request.temperature = f64::from(options.sampling.temperature),
        gen_ai.request.max_tokens = options.max_tokens,
        gen_ai.request.seed = options.sampling.seed,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.response.finish_reasons = Empty,
        percept.step = step,
    )
}

/// What a question brought.
pub(crate) fn answered(span: &Span, completion: &Completion) {
    let usage = &completion.usage;
    span.record("gen_ai.usage.input_tokens", usage.fresh_tokens + usage.cached_tokens);
    span.record("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens);
    span.record("gen_ai.usage.output_tokens", usage.output_tokens);
    let reason = match completion.stop {
        StopReason::MaxTokens => "length",
        StopReason::Cancelled => "cancelled",
        _ => "stop",
    };
    span.record("gen_ai.response.finish_reasons", reason);
}

/// A call's.
pub(crate) fn tool(name: &str, step: usize, key: &str) -> Span {
    info_span!(
        target: "percept",
        "execute_tool",
        otel.name = %format_args!("execute_tool {name}"),
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = name,
        gen_ai.tool.call.id = key,
        "error.type" = Empty,
        percept.step = step,
    )
}
