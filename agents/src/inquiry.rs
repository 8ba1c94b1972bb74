//! A question about images: its answer, how certain that is, and where it is seen.

use percept_models::{
    ChatModel, Completion, Content, Conversation, Generate, Generation, GenerationEvent, Located, Message,
    ModelCard, ModelError, Role, StopReason, Usage,
};
use percept_tools::PixelRegion;

use crate::{
    Prompts,
    thinking::{VOTING, most_given, normalised},
};

mod seen;

/// A question at the end of a conversation, and what is to be known of its answer.
///
/// ```
/// # async fn example(model: std::sync::Arc<dyn percept::models::ChatModel>, shot: std::sync::Arc<image::RgbImage>) -> Result<(), percept::models::ModelError> {
/// use percept::{Inquiry, models::{Message, Role}};
///
/// let question = Message { role: Role::User, content: Vec::new() }.with_image(shot).with_text("How many mails are unread?");
/// let inquiry = Inquiry { votes: 5, boxes: true, least_certainty: Some(0.6), ..Inquiry::about([question].into_iter().collect()) };
/// let answer = inquiry.put(model.as_ref(), &mut |_| ()).await?;
/// match answer.text {
///     Some(text) => println!("{text}, in {} of 5 replies, seen at {:?}", answer.supporters, answer.seen_at),
///     None => println!("it isn't certain enough to answer"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// The conversation, the question last.
    pub conversation: Conversation,
    /// How a reply is to be: free text, or a document.
    pub options: Generate,
    /// How many replies are sampled and compared (self-consistency, Wang et al. 2022). The first is as [`Inquiry::options`]
    /// say, the others at a temperature of 0.7 at least; they share the prompt, which is read once.
    pub votes: usize,
    /// Whether to ask where in the last image the answer is seen, unless the answer says it itself. The model's own word,
    /// bounded by the image, and not checked by anybody: it helps a person to check. Where it can't be asked, a note says why.
    pub boxes: bool,
    /// The least certainty, from 0 to 1, with which an answer is given; below it the model abstains.
    pub least_certainty: Option<f64>,
    /// Texts in place of Percept's own.
    pub prompts: Prompts,
}

/// What came of an [`Inquiry`].
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer; `None` if the model abstains.
    pub text: Option<String>,
    /// Every reply, the first as it would be without votes.
    pub replies: Vec<Completion>,
    /// Which of them is the answer: the first of those that most agree with.
    pub chosen: usize,
    /// How many of them mean the same as the answer, itself included.
    pub supporters: usize,
    /// The answer's own [likelihood](Completion::likelihood); `None` where the model doesn't tell.
    pub likelihood: Option<f64>,
    /// Where in the last image it is seen, in its pixels; `None` if that wasn't asked.
    pub seen_at: Option<Vec<PixelRegion>>,
    /// What the answer itself says is where in the last image, from a model that has tokens for places.
    pub located: Option<Located>,
    /// What a reader must know before trusting it.
    pub notes: Vec<String>,
    /// What everything together took.
    pub usage: Usage,
}

impl Answer {
    /// How certain the answer is, from 0 to 1: the share of the replies that agree, or for a single reply its likelihood.
    #[allow(clippy::cast_precision_loss, reason = "there are few replies")]
    pub fn certainty(&self) -> Option<f64> {
        match self.replies.len() {
            0 | 1 => self.likelihood,
            votes => Some(self.supporters as f64 / votes as f64),
        }
    }
}

impl Inquiry {
    /// A question as it would be without any of this.
    pub fn about(conversation: Conversation) -> Self {
        Self {
            conversation,
            options: Generate::default(),
            votes: 1,
            boxes: false,
            least_certainty: None,
            prompts: Prompts::default(),
        }
    }

    /// Asks. The first reply's text is told as it comes.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] as [`Inquiry::checked`] says, or for a certainty that this model can't tell; otherwise the
    /// model's own.
    pub async fn put(
        &self,
        model: &dyn ChatModel,
        told: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Answer, ModelError> {
        self.checked()?;
        let mut replies = Vec::new();
        for vote in 0..self.votes {
            let generation = model.generate(&self.conversation, &self.vote(vote, model.card())).await?;
            let reply =
                if vote == 0 { heard(generation, told).await? } else { generation.complete().await? };
            replies.push(reply);
        }
        let texts: Vec<_> = replies.iter().map(|reply| normalised(&reply.text)).collect();
        let (chosen, supporters) = most_given(&texts);
        let mut usage = Usage::default();
        for reply in &replies {
            usage += &reply.usage;
        }
        let reply = replies.get(chosen).ok_or(ModelError::Interrupted)?;
        let mut answer = Answer {
            text: Some(reply.text.clone()),
            likelihood: reply.likelihood(),
            replies,
            chosen,
            supporters,
            seen_at: None,
            located: None,
            notes: Vec::new(),
            usage,
        };
        if let Some(reply) = answer.replies.get(chosen).filter(|reply| is_all_thought(reply)) {
            answer.notes.push(format!(
                "the thought took all of the {} tokens that were written: give it more, or ask without one",
                reply.usage.output_tokens
            ));
        }
        if let Some(least) = self.least_certainty {
            let certainty = answer.certainty().ok_or_else(|| {
                let problem = "this model doesn't tell how likely its words are: ask for votes, whose agreement says it";
                ModelError::Request(problem.into())
            })?;
            if certainty < least {
                answer.text = None;
            }
        }
        if let (Some(text), Some(size)) = (&answer.text, seen::last_size(&self.conversation)) {
            let asked = seen::last_words(&self.conversation);
            answer.located = model.located(&asked, text, [size.width, size.height]);
        }
        // An answer that names its places, or says that there are none, needs no other; one that can't be read does.
        let says_itself = answer
            .located
            .as_ref()
            .is_some_and(|located| !located.found.is_empty() || located.unread.is_empty());
        if let (true, false, Some(text)) = (self.boxes, says_itself, answer.text.clone())
            && let Err(error) = self.find(model, &text, &mut answer).await
        {
            // The answer is there: a model that takes no second question doesn't take it back.
            answer.notes.push(format!("the model couldn't be asked where it is seen: {error}"));
        }
        Ok(answer)
    }

    /// Whether it can be asked, as far as no model is needed to know; [`Inquiry::put`] looks too.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] for no votes, a certainty that isn't one, sampling out of its range, or boxes without an image.
    pub fn checked(&self) -> Result<(), ModelError> {
        self.options.sampling.checked()?;
        let refused = |problem: &str| Err(ModelError::Request(problem.into()));
        if self.votes == 0 {
            return refused("no votes can't be compared: ask for at least one");
        }
        if self.least_certainty.is_some_and(|least| !(0.0..=1.0).contains(&least)) {
            return refused("a certainty lies between 0 and 1");
        }
        if self.boxes && self.images() == 0 {
            return refused("there is no image in which an answer could be seen");
        }
        Ok(())
    }

    fn images(&self) -> usize {
        let contents = self.conversation.messages().iter().flat_map(|message| &message.content);
        contents.filter(|content| matches!(content, Content::Image(_))).count()
    }

    fn vote(&self, vote: usize, card: &ModelCard) -> Generate {
        let mut options = self.options.clone();
        options.log_probabilities = card.tells_probabilities;
        if vote > 0 {
            options.sampling.temperature = options.sampling.temperature.max(VOTING);
            options.sampling.seed = options.sampling.seed.wrapping_add((vote as u64) << 32);
        }
        options
    }

    /// Asks where the answer is seen.
    async fn find(&self, model: &dyn ChatModel, text: &str, answer: &mut Answer) -> Result<(), ModelError> {
        let Some(size) = seen::last_size(&self.conversation) else { return Ok(()) };
        let mut conversation = self.conversation.clone();
        conversation.push(Message::text(Role::Assistant, text));
        conversation.push(Message::text(Role::User, seen::request(&self.prompts)));
        let options = Generate { cancel: self.options.cancel.clone(), ..seen::options(size) };
        let reply = model.generate(&conversation, &options).await?.complete().await?;
        answer.usage += &reply.usage;
        match seen::read(&reply, size) {
            Ok(regions) => answer.seen_at = Some(regions),
            Err(problem) => {
                answer.notes.push(format!("the model couldn't say where it is seen: {problem}"));
            }
        }
        if self.images() > 1 {
            answer.notes.push("where it is seen means the last image alone".into());
        }
        Ok(())
    }
}

/// Whether a reply was cut off before its answer began.
fn is_all_thought(reply: &Completion) -> bool {
    reply.text.is_empty() && !reply.thought.is_empty() && reply.stop == StopReason::MaxTokens
}

/// Waits for a reply, and tells its text meanwhile.
async fn heard(
    mut generation: Generation,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Completion, ModelError> {
    while let Some(event) = generation.next().await {
        match event? {
            GenerationEvent::Text(text) => told(&text),
            GenerationEvent::Done(completion) => return Ok(*completion),
            _ => {}
        }
    }
    Err(ModelError::Interrupted)
}
