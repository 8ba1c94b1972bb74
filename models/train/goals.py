"""Goals over an annotated page: an instruction in words, the steps it means, and the oracle that
says which step is next in the state the page is in.

No benchmark's instruction is generated: templates that resemble MiniWoB++'s are refused by pattern.
"""

import random
import re
from dataclasses import dataclass, field

# The shapes of MiniWoB++'s own instructions.
REFUSED = re.compile(
    r'^(Click on the "[^"]*" button\.?|Click on the link "[^"]*"\.?|Click the button\.?|Focus into the .*'
    r"|Select .* and click .*|Enter \"[^\"]*\" into the text field and press .*|Enter the username .* into the text fields.*"
    r'|Close the dialog box by clicking the "x"\.?|Click button .*|Click on the "[^"]*" (link|tab)\.?)$',
    re.I,
)

FILLS = [
    "Type {v} into the {n} field", "Type {v} into the {n} field", "Type {v} into {n}", "Type {v} in the {n} field",
    "Enter {v} in the {n} field", "Enter {v} into {n}", "Put {v} in {n}", "Put {v} into the {n} box",
    "Write {v} into the {n} field", "Write {v} in {n}", "Fill {n} with {v}", "Fill in {n} with {v}",
    "Fill the {n} field with {v}", "Set {n} to {v}", "Set the {n} field to {v}", "In the {n} field type {v}",
    "For {n} enter {v}", "Type {v} into the field named {n}", "Enter {v} as the {n}", "{n} should be {v}",
]
FILLS_OF_ONE = ["Type {v} into the text field", "Type {v}", "Type {v} into the field", "Write {v} in the box", "Enter {v} in the input"]
PRESSES = ["press {b}", "press {b}", "click {b}", "hit {b}", "press the {b} button", "click the {b} button", "push {b}", "tap {b}"]
TICKS = ["tick {t}", "tick {t}", "tick {t}", "check {t}", "mark {t}", "tick the boxes {t}", "select {t}", "choose {t}", "turn on {t}", "check the box {t}"]
LOGINS = [
    "Log in as {u} with the password {p}", "Log in as {u} with the password {p}", "Log in as {u} with password {p}",
    "Sign in as {u} with the password {p}", "Sign in with the username {u} and the password {p}",
    "Log in with user {u} and password {p}", "Use the username {u} and the password {p} to log in",
    "Username {u}, password {p}", "Enter {u} as the username and {p} as the password", "Log in as {u}, password {p}",
    "Login as {u} with {p} as the password", "Log in to the account {u} using password {p}",
]
CLICKS = {
    "button": ['Click the {n} button', 'Click the {n} button', 'Press {n}', 'Press the {n} button', 'Click {n}', 'Hit {n}', 'Push the button {n}', 'Tap {n}', 'Click on {n}', 'Choose {n}'],
    "link": ['Click the {n} link', 'Click the link {n}', 'Open the link {n}', 'Follow {n}', 'Open {n}', 'Follow the {n} link', 'Click {n}'],
    "field": ['Click the {n} field', 'Click the text field {n}', 'Focus the {n} field', 'Click into {n}', 'Click into the {n} field', 'Go to the {n} field'],
    "check": ['Tick {n}', 'Click the checkbox {n}', 'Check {n}', 'Tick the {n} box', 'Click {n}'],
    "radio": ['Choose {n}', 'Select {n}', 'Click the option {n}', 'Click {n}'],
    "close": ['Close the dialog', 'Close this window', 'Dismiss the dialog', 'Close the window', 'Click the x', 'Click the x to close the dialog'],
}

Span = tuple[int, int]


@dataclass
class Step:
    """One thing to bring about. `deed` is fill, tick or press; spans are in the instruction's characters."""

    deed: str
    element: dict
    value: str = ""
    named: Span | None = None
    valued: Span | None = None


@dataclass
class Goal:
    kind: str
    text: str
    steps: list[Step] = field(default_factory=list)


@dataclass
class Move:
    """What the oracle says: click, type_text or finish, for which step."""

    tool: str
    step: Step | None
    thought: str


def compose(template: str, fills: dict[str, tuple[str, bool]]) -> tuple[str, dict[str, Span]]:
    """Fills `{key}` with (text, quoted?) and says where each text lies."""
    out, spans = "", {}
    for part in re.split(r"(\{\w+\})", template):
        if not part.startswith("{"):
            out += part
            continue
        text, quoted = fills[part[1:-1]]
        out += '"' if quoted else ""
        spans[part[1:-1]] = (len(out), len(out) + len(text))
        out += text + ('"' if quoted else "")
    return out, spans


def plain(text: str) -> bool:
    """Whether a text can stand in an instruction."""
    return 0 < len(text) <= 22 and '"' not in text and "\\" not in text


def clickable(text: str) -> bool:
    return plain(text) and bool(re.search(r"\w", text))


class Writer:
    """Writes goals for pages, drawing words and phrasings by chance."""

    def __init__(self, chance: random.Random, words: dict):
        self.chance = chance
        self.words = words

    def text_to_type(self) -> str:
        chance = self.chance
        kind = chance.random()
        letters = "abcdefghijklmnopqrstuvwxyz"
        if kind < 0.25:
            text = chance.choice(self.words["people"])
        elif kind < 0.5:
            text = chance.choice(self.words["words"])
        elif kind < 0.68:
            text = "".join(chance.choice(letters) for _ in range(chance.randint(3, 10)))
        elif kind < 0.76:
            text = str(chance.randint(10, 10 ** chance.randint(2, 8)))
        elif kind < 0.88:
            text = "".join(chance.choice(letters + letters.upper() + "0123456789") for _ in range(chance.randint(3, 10)))
        elif kind < 0.93:
            text = chance.choice(self.words["words"]) + str(chance.randint(0, 999))
        elif kind < 0.96:
            text = chance.choice(self.words["people"]) + "@" + chance.choice(self.words["words"]) + ".org"
        else:
            text = chance.choice(self.words["words"]) + " " + chance.choice(self.words["words"])
        if chance.random() < 0.25:
            text = text.capitalize()
        if chance.random() < 0.15 and " " not in text:  # doubled letters, which copying by content skips
            at = chance.randrange(len(text))
            text = text[:at] + text[at] + text[at:]
        return text[:18].strip()

    def quoted(self, text: str, rate: float = 0.75) -> tuple[str, bool]:
        return text, " " in text or not text.isalnum() or self.chance.random() < rate

    def ending(self, text: str) -> str:
        return text + (self.chance.choice([".", ".", ".", ".", ""]))

    # --- single clicks -------------------------------------------------------------------------

    def clicks(self, page: dict) -> list[Goal]:
        """One instruction for each thing on the page that one click deals with."""
        goals = []
        names = [element["name"] for element in page["elements"]]
        for element in page["elements"]:
            kind = element["kind"]
            if kind != "close" and (not clickable(element["name"]) or names.count(element["name"]) > 1):
                continue
            if kind == "field" and (element["focused"] or ("label" not in element and element["value"])):
                continue
            if kind in ("check", "radio") and element["on"]:
                continue
            template = self.chance.choice(CLICKS[kind])
            text, spans = compose(self.ending(template), {"n": self.quoted(element["name"])})
            goals.append(Goal("click/" + kind, text, [Step("press", element, named=spans.get("n"))]))
        return goals

    # --- several steps -------------------------------------------------------------------------

    def fill_clause(self, element: dict, only: bool) -> tuple[str, Step, dict]:
        value = element["value"] or self.text_to_type()
        template = self.chance.choice(FILLS_OF_ONE if only else FILLS)
        return template, Step("fill", element, value=value), {"v": self.quoted(value), "n": self.quoted(element["name"], 0.65)}

    def task(self, page: dict, fields: list[dict], ticks: list[dict], button: dict | None) -> Goal:
        """Fill these, tick those, press that."""
        chance = self.chance
        text, steps = "", []
        count = sum(element["kind"] == "field" for element in page["elements"])

        def add(template: str, fills: dict, joint: str) -> dict[str, Span]:
            nonlocal text
            clause, spans = compose(template, fills)
            clause = clause[0].lower() + clause[1:] if text and not clause.startswith('"') and template[0] != "{" else clause
            shift = len(text) + len(joint)
            text += joint + clause
            return {key: (start + shift, end + shift) for key, (start, end) in spans.items()}

        joints = chance.choice([[", ", " and "], [" and ", " and "], [", then ", " and "], ["; ", ", "]])
        total = len(fields) + bool(ticks) + (button is not None)
        done = 0

        def joint() -> str:
            nonlocal done
            done += 1
            return "" if done == 1 else joints[done == total]

        for element in fields:
            template, step, fills = self.fill_clause(element, count == 1 and chance.random() < 0.3)
            spans = add(template, fills, joint())
            step.named, step.valued = spans.get("n"), spans["v"]
            steps.append(step)
        if ticks:
            quote = chance.random() < 0.65
            inner = [self.quoted(element["name"], quote) for element in ticks]
            last = chance.choice([" and ", " and ", ", "])
            listed = "".join(("" if i == 0 else last if i == len(ticks) - 1 else ", ") + "{t%d}" % i for i in range(len(ticks)))
            template = chance.choice(TICKS).replace("{t}", listed)
            if not text:
                template = template[0].upper() + template[1:]
            spans = add(template, {"t%d" % i: fill for i, fill in enumerate(inner)}, joint())
            steps += [Step("tick", element, named=spans["t%d" % i]) for i, element in enumerate(ticks)]
        if button:
            spans = add(chance.choice(PRESSES), {"b": self.quoted(button["name"])}, joint())
            steps.append(Step("press", button, named=spans["b"]))
        text = text[0].upper() + text[1:] if steps[0].deed != "fill" or steps[0].named != (0, 0) else text
        return Goal("+".join(sorted({step.deed for step in steps})), self.ending(text), steps)

    def login(self, page: dict, user: dict, password: dict, tick: dict | None, button: dict) -> Goal:
        chance = self.chance
        names = user["value"] or self.text_to_type(), password["value"] or self.text_to_type()
        quote = chance.random() < 0.6
        template = chance.choice(LOGINS)
        fills = {"u": self.quoted(names[0], quote), "p": self.quoted(names[1], quote)}
        if tick:
            template += chance.choice([", tick {t}", ", tick {t}", ", check {t}", " and tick {t}"])
            fills["t"] = self.quoted(tick["name"])
        if chance.random() < (0.75 if tick else 0.35):
            template += chance.choice([" and ", ", then ", ", "]) + chance.choice(PRESSES)
            fills["b"] = self.quoted(button["name"])
        text, spans = compose(self.ending(template), fills)
        steps = [Step("fill", user, names[0], None, spans["u"]), Step("fill", password, names[1], None, spans["p"])]
        if tick:
            steps.append(Step("tick", tick, named=spans["t"]))
        steps.append(Step("press", button, named=spans.get("b")))
        return Goal("login+tick" if tick else "login", text, steps)

    def tasks(self, page: dict) -> list[Goal]:
        """Instructions of several steps, naming every field and box of the page in turn."""
        chance = self.chance
        by_kind = lambda *kinds: [element for element in page["elements"] if element["kind"] in kinds]  # noqa: E731
        names = [element["name"] for element in page["elements"]]
        unique = lambda elements: [e for e in elements if clickable(e["name"]) and names.count(e["name"]) == 1]  # noqa: E731
        fields = [e for e in unique(by_kind("field")) if plain(e["value"] or "a")]
        fields = [e for e in fields if "label" in e or not e["value"]]
        ticks, radios, buttons = unique(by_kind("check")), unique(by_kind("radio")), unique(by_kind("button"))
        roles = {e["role"]: e for e in by_kind("field") if e["role"] and plain(e["value"] or "a")}
        goals = []
        press = lambda rate=0.6: chance.choice(buttons) if buttons and chance.random() < rate else None  # noqa: E731
        if page["kind"] == "login" and len(roles) == 2 and by_kind("button") and by_kind("button")[0] in buttons:
            for _ in range(3):
                goals.append(self.login(page, roles["user"], roles["password"], None, by_kind("button")[0]))
            for tick in ticks:
                for _ in range(3):
                    goals.append(self.login(page, roles["user"], roles["password"], tick, by_kind("button")[0]))
        for element in fields:
            goals.append(self.task(page, [element], [], press()))
            if chance.random() < 0.5:
                goals.append(self.task(page, [element], [], press()))
        for _ in range(2 if len(fields) > 1 else 0):
            some = chance.sample(fields, min(len(fields), chance.choice([2, 2, 3])))
            if chance.random() < 0.75:
                some.sort(key=fields.index)
            goals.append(self.task(page, some, self.some_ticks(ticks) if ticks and chance.random() < 0.6 else [], press(0.75)))
        if ticks:
            for _ in range(2 + len(ticks)):
                goals.append(self.task(page, [chance.choice(fields)] if fields and chance.random() < 0.4 else [], self.some_ticks(ticks), press(0.8)))
        for element in radios:
            goals.append(self.task(page, [], [element], press(0.8)))
        return goals

    def some_ticks(self, ticks: list[dict]) -> list[dict]:
        """One to four boxes; half of the time all the ticked ones among them, so that work goes on."""
        chance = self.chance
        on = [element for element in ticks if element["on"]]
        off = [element for element in ticks if not element["on"]]
        if chance.random() < 0.55 and len(on) <= 3:
            some = on + chance.sample(off, min(len(off), chance.choice([0, 1, 1, 2])))
        else:
            some = chance.sample(ticks, min(len(ticks), chance.choice([1, 1, 2, 2, 3])))
        if not some:
            some = [chance.choice(ticks)]
        if chance.random() < 0.75:
            some.sort(key=ticks.index)
        else:
            chance.shuffle(some)
        return some[:4]

    def greeted(self, page: dict) -> list[Goal]:
        """Log-ins that a greeting page shows to be done."""
        goals = []
        for _ in range(4):
            user = {"value": page["user"], "name": "", "kind": "field"}
            tick = {"name": self.chance.choice(self.words["ticks"])} if self.chance.random() < 0.4 else None
            button = {"name": self.chance.choice(["Log in", "Sign in", "Login", "Enter", "Go", "Continue"])}
            goal = self.login(page, user, {"value": self.text_to_type()}, tick, button)
            goals.append(Goal("finish/greeted", goal.text))
        return goals


def usable(goal: Goal) -> bool:
    return not REFUSED.match(goal.text) and all(step.element.get("whole", True) for step in goal.steps)


def next_move(goal: Goal) -> Move:
    """The oracle: the first step that isn't done yet, in the order of the instruction."""
    for step in goal.steps:
        element = step.element
        if step.deed == "fill":
            if element["value"] == step.value:
                continue
            if element["focused"]:
                return Move("type_text", step, f"{element['name']} is focused")
            return Move("click", step, f"{element['name']} is empty")
        if step.deed == "tick":
            if element["on"]:
                continue
            return Move("click", step, f"{element['name']} is not ticked")
        return Move("click", step, f"{element['name']} is ready" if step.named else "all ready")
    return Move("finish", None, "all done")
