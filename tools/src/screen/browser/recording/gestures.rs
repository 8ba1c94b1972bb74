//! From what a page tells to what a person did: presses and releases become clicks and drags, characters become the
//! text that was meant, turns of the wheel a scroll.
//!
//! Text is recorded as it stood in the end: what was typed and taken back again before anything else happened, as a
//! slip and the Backspaces that mended it, is in no demonstration. A Backspace that eats into what was there before is a
//! key like any other.

use super::told::{Origins, Told, What};
use crate::{Input, Key, MouseButton, ScreenPoint};

/// What stands for a text that is nobody's business; see the secrets of a run.
pub(super) const SECRET: &str = "{{password}}";

/// How far a pointer may slip, in CSS pixels, between pressing and releasing, or between two clicks of a double one.
const SLIP: f64 = 5.0;
/// How soon the second click of a double one comes, in milliseconds.
const TWICE: f64 = 500.0;
/// How long after a turn of the wheel the next one goes on with it.
const TURNING: f64 = 700.0;
/// How soon a key's writing is told after it; they come from one task of the page.
const WRITING: f64 = 300.0;

/// Something that a person did.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gesture {
    /// When it began, in milliseconds since 1970: the screenshot must be older.
    pub(super) since: f64,
    /// When it ended: a screenshot that is older than this doesn't show what came of it.
    pub(super) until: f64,
    pub(super) input: Input,
}

/// What came of telling.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    Gesture(Gesture),
    /// Why something that was done isn't recorded.
    Lost(String),
}

/// A gesture that may still go on.
#[derive(Debug, Clone, PartialEq)]
enum Open {
    Press { at: ScreenPoint, button: MouseButton, count: u32 },
    Click { at: ScreenPoint, button: MouseButton },
    Typing { text: String, secret: bool },
    Turning { at: ScreenPoint, right: f64, down: f64 },
}

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Gestures {
    /// Screenshot pixels to a screen point.
    scale: f64,
    /// Since when, until when.
    open: Option<(f64, f64, Open)>,
    /// A key that may still turn out to write, and when it was pressed.
    key: Option<(f64, String)>,
    done: Vec<Heard>,
}

impl Gestures {
    pub(super) fn new(scale: f64) -> Self {
        Self { scale, ..Self::default() }
    }

    /// When the oldest gesture under way began.
    pub(super) fn oldest(&self) -> Option<f64> {
        self.open.as_ref().map(|(since, ..)| *since).or(self.key.as_ref().map(|(at, _)| *at))
    }

    /// Takes in what was told while the page's frames were there; what comes back is over.
    pub(super) fn hear(&mut self, told: Told, frames: &Origins) -> Vec<Heard> {
        let at = told.at;
        self.settle(at);
        match told.what {
            What::Down { place, button } => {
                if let Some(place) = place.on_screen(frames, self.scale) {
                    self.down(at, place, button);
                } else {
                    self.finish();
                    self.lose("a click in a frame that had only just come up");
                }
            }
            What::Up { place } => self.up(at, place.on_screen(frames, self.scale)),
            What::Key { key } => {
                self.press_pending();
                self.key = Some((at, key));
            }
            What::Text { text, keyed } => self.write(at, &text, false, keyed),
            What::Secret { keyed } => self.write(at, "", true, keyed),
            What::Erase { units } => self.erase(at, units),
            What::Wheel { place, right, down } => {
                self.press_pending();
                if let Some(place) = place.on_screen(frames, self.scale) {
                    self.turn(at, place, right, down);
                } else {
                    self.lose("a scroll in a frame that had only just come up");
                }
            }
            What::Choice { label } => self.choose(at, label),
            What::Lost { what } => {
                self.finish();
                self.lose(&what);
            }
            What::Front => {}
        }
        std::mem::take(&mut self.done)
    }

    /// Time has passed; what comes back is over.
    pub(super) fn idle(&mut self, now: f64) -> Vec<Heard> {
        self.settle(now);
        std::mem::take(&mut self.done)
    }

    /// Nothing more comes; what comes back was under way.
    pub(super) fn end(&mut self) -> Vec<Heard> {
        self.finish();
        std::mem::take(&mut self.done)
    }

    /// Ends what no longer can go on.
    fn settle(&mut self, now: f64) {
        if self.key.as_ref().is_some_and(|(at, _)| now - at > WRITING) {
            self.press_pending();
        }
        let is_over = self.open.as_ref().is_some_and(|(_, until, open)| match open {
            Open::Click { .. } => now - until > TWICE,
            Open::Turning { .. } => now - until > TURNING,
            Open::Press { .. } | Open::Typing { .. } => false,
        });
        if is_over {
            self.finish_open();
        }
    }

    fn down(&mut self, since: f64, at: ScreenPoint, button: MouseButton) {
        self.press_pending();
        if let Some((since, _, Open::Click { at: before, button: MouseButton::Left })) = self.open
            && button == MouseButton::Left
            && is_near(before, at)
        {
            self.open = Some((since, since, Open::Press { at: before, button, count: 2 }));
            return;
        }
        self.finish_open();
        self.open = Some((since, since, Open::Press { at, button, count: 1 }));
    }

    fn up(&mut self, now: f64, to: Option<ScreenPoint>) {
        let Some((since, _, Open::Press { at, button, count })) = self.open else { return };
        self.open = None;
        // Released where nobody can say: it is where it was pressed, as far as anybody knows.
        let to = to.unwrap_or(at);
        if !is_near(at, to) {
            if button == MouseButton::Left {
                self.give(since, now, Input::Drag { from: at, to });
            } else {
                self.lose("a drag with another button than the main one");
            }
        } else if button == MouseButton::Left && count == 1 {
            self.open = Some((since, now, Open::Click { at, button }));
        } else {
            self.give(since, now, Input::Click { at, button, count });
        }
    }

    fn write(&mut self, at: f64, written: &str, is_secret: bool, keyed: bool) {
        let begun = if keyed { self.key.take().map_or(at, |(begun, _)| begun) } else { at };
        self.press_pending();
        if let Some((_, until, Open::Typing { text, secret })) = &mut self.open
            && *secret == is_secret
        {
            text.push_str(written);
            *until = at;
            return;
        }
        self.finish_open();
        let text = if is_secret { SECRET.to_owned() } else { written.to_owned() };
        self.open = Some((begun, at, Open::Typing { text, secret: is_secret }));
    }

    /// What was just typed is taken back; anything else that a key erases stays a key.
    fn erase(&mut self, at: f64, units: usize) {
        let Some((_, until, Open::Typing { text, secret })) = &mut self.open else { return };
        if *secret {
            self.key = None;
            *until = at;
            return;
        }
        let mut left = units;
        let kept = text.char_indices().rev().find_map(|(end, character)| {
            left = left.checked_sub(character.len_utf16())?;
            (left == 0).then_some(end)
        });
        if let Some(kept) = kept {
            text.truncate(kept);
            self.key = None;
            *until = at;
        }
    }

    fn turn(&mut self, now: f64, place: ScreenPoint, by_right: f64, by_down: f64) {
        if let Some((_, until, Open::Turning { right, down, .. })) = &mut self.open {
            let goes_on = if right.abs() > down.abs() { *right * by_right } else { *down * by_down };
            if goes_on >= 0.0 {
                *right += by_right;
                *down += by_down;
                *until = now;
                return;
            }
        }
        self.finish_open();
        self.open = Some((now, now, Open::Turning { at: place, right: by_right, down: by_down }));
    }

    /// A list that was folded down belongs to the browser, and tells nothing but what was chosen. Typing the option's
    /// beginning and Enter chooses it as well. What keys chose is told by the keys.
    fn choose(&mut self, at: f64, label: String) {
        if self.key.is_some() || !matches!(self.open, Some((_, _, Open::Click { .. })) | None) {
            return;
        }
        self.finish_open();
        self.give(at, at, Input::Text(label));
        self.give(at, at, Input::Press(Key("Enter".into())));
    }

    fn finish(&mut self) {
        self.press_pending();
        self.finish_open();
    }

    /// The key was no writing.
    fn press_pending(&mut self) {
        let Some((at, key)) = self.key.take() else { return };
        self.finish_open();
        self.give(at, at, Input::Press(Key(key)));
    }

    fn finish_open(&mut self) {
        let Some((since, until, open)) = self.open.take() else { return };
        let input = match open {
            // The page went away under the button, or another button went down meanwhile.
            Open::Press { at, button, count } => Input::Click { at, button, count },
            Open::Click { at, button } => Input::Click { at, button, count: 1 },
            Open::Typing { text, .. } if text.is_empty() => return,
            Open::Typing { text, .. } => Input::Text(text),
            Open::Turning { at, right, down } => Input::Scroll { at, right, down },
        };
        self.give(since, until, input);
    }

    fn give(&mut self, since: f64, until: f64, input: Input) {
        self.done.push(Heard::Gesture(Gesture { since, until, input }));
    }

    fn lose(&mut self, what: &str) {
        self.done.push(Heard::Lost(what.to_owned()));
    }
}

fn is_near(one: ScreenPoint, other: ScreenPoint) -> bool {
    (one.x - other.x).hypot(one.y - other.y) <= SLIP
}

#[cfg(test)]
mod tests {
    use super::{super::told::Place, *};

    fn down(x: f64) -> What {
        What::Down { place: Place::at(x, 10.0), button: MouseButton::Left }
    }

    fn right_down(x: f64) -> What {
        What::Down { place: Place::at(x, 10.0), button: MouseButton::Right }
    }

    fn up(x: f64) -> What {
        What::Up { place: Place::at(x, 10.0) }
    }

    fn key(key: &str) -> What {
        What::Key { key: key.into() }
    }

    fn text(text: &str) -> What {
        What::Text { text: text.into(), keyed: true }
    }

    fn pasted_by_menu(text: &str) -> What {
        What::Text { text: text.into(), keyed: false }
    }

    fn wheel(right: f64, down: f64) -> What {
        What::Wheel { place: Place::at(50.0, 60.0), right, down }
    }

    fn choice() -> What {
        What::Choice { label: "Blue".into() }
    }

    /// What is heard, each thing on one line.
    fn told(heard: &[Heard]) -> String {
        let line = |heard: &Heard| match heard {
            Heard::Lost(what) => format!("lost {what}"),
            Heard::Gesture(Gesture { input, .. }) => match input {
                Input::Click { at, button, count } => format!("{button:?} {count}x {}", at.x),
                Input::Drag { from, to } => format!("drag {} {}", from.x, to.x),
                Input::Scroll { right, down, .. } => format!("scroll {right} {down}"),
                Input::Text(text) => format!("text {text}"),
                Input::Press(key) => format!("key {}", key.0),
                Input::Navigate(_) => "navigate".into(),
            },
        };
        heard.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    fn check(events: Vec<(f64, What)>, expected: &str) {
        let mut gestures = Gestures::new(1.0);
        let described = format!("{events:?}");
        let mut heard: Vec<_> = events
            .into_iter()
            .flat_map(|(at, what)| gestures.hear(Told { at, what }, &Origins::new()))
            .collect();
        heard.extend(gestures.end());
        assert_eq!(told(&heard), expected, "{described}");
    }

    #[test]
    fn presses_and_releases_become_clicks_and_drags() {
        check(vec![(0.0, down(5.0)), (80.0, up(5.0))], "Left 1x 5");
        check(vec![(0.0, right_down(5.0)), (80.0, up(5.0))], "Right 1x 5");
        let double = vec![(0.0, down(5.0)), (50.0, up(5.0)), (200.0, down(6.0)), (250.0, up(6.0))];
        check(double, "Left 2x 5");
        let slow = vec![(0.0, down(5.0)), (50.0, up(5.0)), (600.0, down(5.0)), (650.0, up(5.0))];
        check(slow, "Left 1x 5, Left 1x 5");
        let apart = vec![(0.0, down(5.0)), (50.0, up(5.0)), (200.0, down(40.0)), (250.0, up(40.0))];
        check(apart, "Left 1x 5, Left 1x 40");
        check(vec![(0.0, down(5.0)), (900.0, up(60.0)), (910.0, up(60.0))], "drag 5 60");
        check(
            vec![(0.0, right_down(5.0)), (80.0, up(60.0))],
            "lost a drag with another button than the main one",
        );
        // The page went away before the button came up.
        check(vec![(0.0, down(5.0)), (900.0, down(60.0)), (950.0, up(60.0))], "Left 1x 5, Left 1x 60");
        check(vec![(0.0, up(5.0))], "");
    }

    #[test]
    fn text_is_what_stood_there_in_the_end() {
        let a = |at| [(at, key("a")), (at, text("a"))];
        let back = |at, units| [(at, key("Backspace")), (at, What::Erase { units })];
        check([a(0.0), a(90.0), back(180.0, 1), a(900.0)].concat(), "text aa");
        check([back(0.0, 1), a(90.0)].concat(), "key Backspace, text a");
        check([a(0.0), back(90.0, 1), back(180.0, 1)].concat(), "key Backspace");
        check([a(0.0), back(90.0, 2)].concat(), "text a, key Backspace");
        // A cat's face is two units, and one Backspace.
        let cat = [(0.0, pasted_by_menu("a🐱"))];
        check([cat.to_vec(), back(90.0, 2).to_vec()].concat(), "text a");
        let secret = |at| [(at, What::Secret { keyed: false })];
        let typed =
            [secret(0.0).to_vec(), secret(9.0).to_vec(), back(20.0, 1).to_vec(), secret(30.0).to_vec()];
        check([typed.concat(), a(90.0).to_vec()].concat(), "text {{password}}, text a");
    }

    #[test]
    fn a_key_that_writes_is_text_and_one_that_doesnt_is_a_key() {
        check(vec![(0.0, key("w")), (20.0, key("w"))], "key w, key w");
        check(vec![(0.0, key("x")), (0.0, text("x")), (90.0, key("Enter"))], "text x, key Enter");
        check(vec![(0.0, key("x")), (0.0, text("x")), (9.0, key("Enter")), (9.0, text("\n"))], "text x\n");
        check(vec![(0.0, key("Control+v")), (1.0, text("pasted"))], "text pasted");
        check(vec![(0.0, key("Tab")), (90.0, pasted_by_menu("x"))], "key Tab, text x");
        check(vec![(0.0, key("Tab")), (90.0, What::Secret { keyed: false })], "key Tab, text {{password}}");
        check(vec![(0.0, key("Enter")), (400.0, text("x"))], "key Enter, text x");
        check(
            vec![(0.0, key("x")), (0.0, text("x")), (90.0, down(5.0)), (99.0, up(5.0))],
            "text x, Left 1x 5",
        );
    }

    #[test]
    fn turns_of_the_wheel_make_one_scroll_until_they_turn_back() {
        check(vec![(0.0, wheel(0.0, 100.0)), (600.0, wheel(2.0, 100.0))], "scroll 2 200");
        check(vec![(0.0, wheel(0.0, 100.0)), (800.0, wheel(0.0, 100.0))], "scroll 0 100, scroll 0 100");
        check(vec![(0.0, wheel(0.0, 100.0)), (50.0, wheel(0.0, -30.0))], "scroll 0 100, scroll 0 -30");
    }

    #[test]
    fn a_choice_from_a_list_is_typed_unless_keys_made_it() {
        let clicked = vec![(0.0, down(5.0)), (50.0, up(5.0))];
        check([clicked.clone(), vec![(900.0, choice())]].concat(), "Left 1x 5, text Blue, key Enter");
        check(
            [clicked, vec![(900.0, key("ArrowDown")), (901.0, choice())]].concat(),
            "Left 1x 5, key ArrowDown",
        );
    }

    #[test]
    fn a_place_in_a_frame_counts_from_where_the_frame_was_seen() {
        let event = |frame: &str| {
            let json =
                format!(r#"{{"at":1,"kind":"down","x":3,"y":4,"ratio":2,"frame":{frame},"button":"left"}}"#);
            serde_json::from_str::<Told>(&json).unwrap()
        };
        let origins = Origins::from([(vec![0, 2], ScreenPoint { x: 100.0, y: 50.0 })]);
        let cases = [
            ("[]", "Left 1x 6"),
            ("[0,2]", "Left 1x 206"),
            ("[1]", "lost a click in a frame that had only just come up"),
        ];
        for (frame, expected) in cases {
            let mut gestures = Gestures::new(1.0);
            let mut heard = gestures.hear(event(frame), &origins);
            heard.extend(gestures.end());
            assert_eq!(told(&heard), expected, "{frame}");
        }
    }

    #[test]
    fn a_gesture_knows_when_it_began_and_ended() {
        let mut gestures = Gestures::new(1.0);
        for (at, what) in [(5.0, key("a")), (6.0, text("a")), (80.0, key("b")), (81.0, text("b"))] {
            assert!(gestures.hear(Told { at, what }, &Origins::new()).is_empty());
        }
        assert_eq!(gestures.oldest(), Some(5.0));
        assert_eq!(
            gestures.end(),
            [Heard::Gesture(Gesture { since: 5.0, until: 81.0, input: Input::Text("ab".into()) })]
        );
        // A click is over when no second one can make it a double one.
        gestures.hear(Told { at: 100.0, what: down(5.0) }, &Origins::new());
        gestures.hear(Told { at: 150.0, what: up(5.0) }, &Origins::new());
        assert!(gestures.idle(640.0).is_empty());
        assert_eq!(told(&gestures.idle(651.0)), "Left 1x 5");
    }
}
