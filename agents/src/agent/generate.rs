//! Asking the model, within what the run may still take.

use std::fmt::Write;

use percept_models::{
    ChatModel, Completion, Content, Conversation, Generate, GenerationEvent, Message, ModelError, Reply,
    Role, Sampling, StopReason,
};
use sha2::{Digest, Sha256};
use tracing::Instrument;

use super::{
    think::seed_of_step,
    working::{Bounds, Voice, Working},
};
use crate::{
    Ending, Event, Thinking,
    history::{LeftOut, Words},
    prompts::Prompt,
    spans,
};

/// The most tokens of a summary.
const SUMMARY_TOKENS: usize = 200;

/// What is asked for, and how it is written down.
pub(super) struct Question<T> {
    /// The step that it belongs to.
    pub(super) step: usize,
    /// Which of the step's votes it is for, from 1.
    pub(super) vote: usize,
    /// Why the reply is sampled although the run is greedy.
    pub(super) exploring: Option<String>,
    /// What the reply may be in the journal.
    pub(super) kinds: &'static [&'static str],
    /// How the reply is to be.
    pub(super) options: Generate,
    /// One more message at the end of the conversation.
    pub(super) request: Option<String>,
    /// The event that the reply makes.
    pub(super) told: T,
}

/// What is asked beside decisions. Each is sampled from a seed of its own, so that none repeats another's choices.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aside {
    /// What to make of a failure.
    Lesson,
    /// Which proposal is the best.
    Judgement,
    /// What has happened so far.
    Summary,
    /// What is to be done, in order.
    Plan,
    /// Whether the screen proves that the task is done.
    Verdict,
}

impl Aside {
    /// How it is sampled.
    pub(super) fn temperature(self, thinking: &Thinking) -> f32 {
        match self {
            Self::Lesson | Self::Plan => thinking.temperature,
            Self::Judgement | Self::Summary | Self::Verdict => 0.0,
        }
    }

    /// The run's seed with some bits turned, others for each (the square roots of the first primes, as good as any).
    fn seed(self, run: u64) -> u64 {
        match self {
            Self::Lesson => !run,
            Self::Judgement => run ^ 0x6a09_e667_f3bc_c908,
            Self::Summary => run ^ 0xbb67_ae85_84ca_a73b,
            Self::Plan => run ^ 0x3c6e_f372_fe94_f82b,
            Self::Verdict => run ^ 0xa54f_f53a_5f1d_36f1,
        }
    }
}

impl<T> Question<T> {
    /// A question beside decisions.
    pub(super) fn aside(
        step: usize,
        kinds: &'static [&'static str],
        options: Generate,
        request: Option<String>,
        told: T,
    ) -> Self {
        Self { step, vote: 1, exploring: None, kinds, options, request, told }
    }
}

impl Working {
    /// How the reply to such a question is to be, in at most this many tokens and those of the thought that the run grants; a
    /// summary, which makes room, is written at once. A verdict and its like are always greedy; a plan
    /// and a lesson have the temperature of decisions.
    ///
    /// # Errors
    ///
    /// The run's ending, if there are no tokens left.
    pub(super) async fn options(
        &mut self,
        step: usize,
        aside: Aside,
        reply: Reply,
        tokens: usize,
    ) -> Result<Generate, Ending> {
        let temperature = aside.temperature(&self.thinking);
        let seed = seed_of_step(aside.seed(self.seed), step);
        let thought = if matches!(aside, Aside::Summary) { 0 } else { self.thinking.think };
        let max_tokens = self.tokens_for(tokens.saturating_add(thought)).await?;
        // Near the end of what may be written, the answer goes before its thought.
        let thought = thought.min(max_tokens.saturating_sub(tokens));
        let sampling = Sampling { temperature, seed, ..Sampling::default() };
        let mut options = Generate { reply, sampling, max_tokens, ..Generate::default() };
        if thought > 0 {
            options.think = true;
            options.max_thought_tokens = thought;
        }
        Ok(options)
    }

    /// Shows the model the history, with one more request at its end perhaps, and waits for the reply. A
    /// conversation that is too long is shortened, and the journal says so.
    ///
    /// # Errors
    ///
    /// The run's ending: a limit, a cancellation, a model that broke.
    pub(super) async fn generate<T>(&mut self, mut question: Question<T>) -> Result<Event, Ending>
    where
        T: Fn(Completion) -> Event + Send + Sync,
    {
        loop {
            let instruction = self.instruction();
            let examples = self.examples();
            let own = self.prompts.filled(Prompt::Own, &[]);
            let words = Words { instruction: &instruction, examples: &examples, own: &own };
            let (mut conversation, left_out) = self.history.conversation(words, self.window);
            if let Some(request) = &question.request {
                conversation.push(Message::text(Role::User, request.as_str()));
            }
            self.note_left_out(left_out).await?;
            let answer = self.put(&question, conversation).await?;
            let Event::TooLong { problem, .. } = answer else { return Ok(answer) };
            if !self.window.demonstrations && self.window.images <= 1 && self.fold(question.step).await? {
                // The summary took of what the reply may have.
                question.options.max_tokens = self.tokens_for(question.options.max_tokens).await?;
                continue;
            }
            let Some(smaller) = self.window.halved(self.history.len()) else {
                return Err(Ending::failed(format!("the model can't take the conversation: {problem}")));
            };
            self.window = smaller;
        }
    }

    /// Puts one conversation to the model, and counts what the reply took.
    async fn put<T>(&mut self, question: &Question<T>, conversation: Conversation) -> Result<Event, Ending>
    where
        T: Fn(Completion) -> Event + Send + Sync,
    {
        let Question { step, vote, kinds, told, .. } = question;
        let (step, vote) = (*step, *vote);
        let options = &Generate { cancel: self.cancel.child_token(), ..question.options.clone() };
        let Sampling { temperature, seed, .. } = options.sampling;
        let (exploring, prompt) = (question.exploring.clone(), digest(&conversation, options));
        self.tell(Event::Asked { step, vote, temperature, seed, exploring, prompt }).await?;
        let (bounds, voice) = (self.bounds(), self.voice());
        let model = self.model.clone();
        let work = async move {
            let span = spans::chat(model.card(), step, options);
            let asking = reply(model.as_ref(), &conversation, options, &bounds, &voice);
            let replied = asking.instrument(span.clone()).await?;
            if let Ok(completion) = &replied {
                spans::answered(&span, completion);
            }
            match replied {
                Ok(completion) if completion.stop == StopReason::Cancelled => Err(Ending::cancelled()),
                Ok(completion) => Ok(told(completion)),
                Err(ModelError::Conversation(problem)) => Ok(Event::TooLong { step, problem }),
                Err(error) => Err(Ending::failed(format!("the model failed: {error}"))),
            }
        };
        let event = self.durable.step(kinds, Box::pin(work)).await?;
        if let Event::Decided { usage, .. }
        | Event::Judged { usage, .. }
        | Event::Examined { usage, .. }
        | Event::Planned { usage, .. }
        | Event::Folded { usage, .. }
        | Event::Reflected { usage, .. } = &event
        {
            self.budget.spend(usage);
            self.result.spend(usage);
        }
        Ok(event)
    }

    /// Puts a summary, which the model makes, in place of the older half of what happened. `false` if it can't make one,
    /// or there is too little to sum up.
    async fn fold(&mut self, step: usize) -> Result<bool, Ending> {
        let Some(records) = self.history.foldable().filter(|_| self.speaks()) else { return Ok(false) };
        let options = self.options(step, Aside::Summary, Reply::Text, SUMMARY_TOKENS).await?;
        let mut conversation = self.history.oldest(&self.instruction(), records);
        conversation.push(Message::text(Role::User, self.prompts.filled(Prompt::Fold, &[])));
        let told = |completion: Completion| Event::Folded {
            step,
            records,
            summary: completion.text.trim().to_owned(),
            usage: completion.usage,
        };
        let question = Question::aside(step, &["folded", "too_long"], options, None, told);
        match self.put(&question, conversation).await? {
            Event::Folded { records, summary, .. } if !summary.is_empty() => {
                self.history.fold(records, summary);
                self.note("the conversation grew too long for the model: its oldest part was summed up")
                    .await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// What is said before each demonstration.
    fn examples(&self) -> Vec<String> {
        let example = |task: &str| self.prompts.filled(Prompt::Example, &[("task", task)]);
        self.history.demonstrations().iter().map(|shown| example(&shown.task)).collect()
    }

    async fn note_left_out(&mut self, left_out: LeftOut) -> Result<(), Ending> {
        if left_out.demonstrations > 0 {
            self.note("the conversation grew too long for the model: the demonstrations were left out")
                .await?;
        }
        if left_out.images > 0 {
            let images = self.window.images;
            let shown = if images == 1 { "newest one is".into() } else { format!("newest {images} are") };
            self.note(format!(
                "older screenshots were left out of what the model is shown: the {shown} in it"
            ))
            .await?;
        }
        if left_out.records > 0 {
            self.note("the conversation grew too long for the model: its oldest part was left out").await?;
        }
        Ok(())
    }
}

/// One attempt. Dropping the generation on a limit stops the model.
async fn reply(
    model: &dyn ChatModel,
    conversation: &Conversation,
    options: &Generate,
    bounds: &Bounds,
    voice: &Voice,
) -> Result<Result<Completion, ModelError>, Ending> {
    let mut generation = match bounds.within(model.generate(conversation, options)).await? {
        Ok(generation) => generation,
        Err(error) => return Ok(Err(error)),
    };
    loop {
        let event = match bounds.within(generation.next()).await? {
            Some(Ok(event)) => event,
            Some(Err(error)) => return Ok(Err(error)),
            None => return Ok(Err(ModelError::Interrupted)),
        };
        match event {
            GenerationEvent::Thought(text) => voice.say(Event::Writing { thought: true, text }),
            GenerationEvent::Text(text) => voice.say(Event::Writing { thought: false, text }),
            GenerationEvent::Done(completion) => return Ok(Ok(*completion)),
            _ => {}
        }
    }
}

/// SHA-256 of everything that decides a reply but the model itself.
fn digest(conversation: &Conversation, options: &Generate) -> String {
    let mut hash = Sha256::new();
    // Lengths come before what they measure, so that no two prompts make the same bytes.
    let mut take = |kind: u8, bytes: &[u8]| {
        hash.update([kind]);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for message in conversation.messages() {
        take(0, &[message.role as u8]);
        for content in &message.content {
            match content {
                Content::Text(text) => take(1, text.as_bytes()),
                Content::Image(image) => take(2, &image.hash().0),
                Content::Said { confirmed: true, .. } => {
                    content.plain().iter().for_each(|text| take(14, text.as_bytes()));
                }
                other => other.plain().iter().for_each(|text| take(1, text.as_bytes())),
            }
        }
    }
    let sampling = &options.sampling;
    take(3, &sampling.seed.to_le_bytes());
    for number in [sampling.temperature, sampling.top_p, sampling.min_p, sampling.repetition_penalty] {
        take(4, &number.to_le_bytes());
    }
    take(5, &(options.max_tokens as u64).to_le_bytes());
    take(6, &(options.max_thought_tokens as u64).to_le_bytes());
    match &options.reply {
        Reply::Json(schema) => take(7, schema.to_string().as_bytes()),
        Reply::Call { thought, functions } => {
            take(8, &[*thought as u8]);
            for function in functions {
                take(9, function.name.as_bytes());
                take(10, function.description.as_bytes());
                take(11, function.schema.to_string().as_bytes());
            }
        }
        _ => take(12, &[]),
    }
    if options.think {
        take(13, &[]);
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
