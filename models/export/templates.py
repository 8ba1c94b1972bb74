"""What transformers renders from the chat templates under `tests/data/templates`, or why it refuses.

The templates there are written by hand, in the manner of the families in use; only `golden.json`
is made here. Each row holds every variable that the template sees, the clock included.
"""

import json
from datetime import datetime

import jinja2
from transformers.utils import chat_template_utils

NOW = datetime(2024, 7, 6, 9, 5, 3)
TOOL = {
    "type": "function",
    "function": {
        "name": "click",
        "description": "Clicks at a point; \"x\" goes right & <y> down.",
        "parameters": {
            "type": "object",
            "properties": {
                "x": {"type": "integer", "minimum": 0},
                "y": {"type": "integer"},
                "button": {"type": "string", "enum": ["left", "droit", "écran"]},
            },
            "required": ["x", "y"],
        },
    },
}
FINISH = {
    "type": "function",
    "function": {"name": "finish", "description": "Ends.", "parameters": {}, "return": {"type": "string"}},
}
CALL = {"type": "function", "function": {"name": "click", "arguments": {"x": 3, "y": 4.5, "button": "é"}}}


def text(role, content, **more):
    return {"role": role, "content": content, **more}


SYSTEM = text("system", "  You see pages.\n")
ASK = text("user", " Click the <red> button & wait\n")
ANSWER = text("assistant", "<think>\nIt is on the left.\n</think>\n\nI click it. ")
CALLING = text("assistant", "", tool_calls=[CALL])
TWICE = text("assistant", "Both.", tool_calls=[CALL, {"name": "finish", "arguments": '{"a": 1}'}])
RESULT = text("tool", "clicked")
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
PARTS = text("user", [
    {"type": "image"}, {"type": "text", "text": "What changed? "}, {"type": "image"}, {"type": "video"},
    {"type": "text", "text": "Say it."},
])
PROSE = [
    text("user", "find the quick fox"), text("assistant", "the fox is there"), text("user", "   "),
    text("tool", None), text("user", "which one?"), text("user", "STOP"), text("user", "unseen"),
]
VALUES = {
    "flag": True, "number": 3, "half": 0.5, "nothing": None,
    "settings": {"b": [1, 2.5, True, None], "a": "é\"'<&>", "c": {}},
}


def case(template, name, messages, tools=None, add_generation_prompt=True, **variables):
    return {
        "template": f"{template}.jinja",
        "name": name,
        "messages": messages,
        "tools": tools,
        "add_generation_prompt": add_generation_prompt,
        "variables": {**TOKENS, **variables},
    }


CASES = [
    case("chatml", "one question", [ASK]),
    case("chatml", "system, no thinking", [SYSTEM, ASK], enable_thinking=False),
    case("chatml", "thinking left open", [SYSTEM, ASK], enable_thinking=True),
    case("chatml", "thoughts of earlier turns are left out", [ASK, ANSWER, ASK]),
    case("chatml", "the last thought stays", [ASK, ANSWER], add_generation_prompt=False),
    case("chatml", "reasoning in its own field",
         [ASK, text("assistant", "Done.", reasoning_content="\nLook first.\n")], add_generation_prompt=False),
    case("chatml", "tools", [SYSTEM, ASK], tools=[TOOL, FINISH]),
    case("chatml", "calls and results", [ASK, CALLING, RESULT, TWICE, RESULT, RESULT], tools=[TOOL]),
    case("headers", "one question", [ASK]),
    case("headers", "system and a given date", [SYSTEM, ASK, ANSWER, ASK], date_string="24 Nov 2026"),
    case("headers", "tools", [SYSTEM, ASK, CALLING, RESULT], tools=[TOOL]),
    case("headers", "a result of several values", [ASK, CALLING, text("tool", {"ok": True, "at": [1, 2]})],
         tools=[TOOL]),
    case("headers", "two calls are refused", [ASK, TWICE], tools=[TOOL]),
    case("headers", "tools without a question are refused", [SYSTEM], tools=[TOOL]),
    case("instructions", "one question", [ASK]),
    case("instructions", "system goes to the last question", [SYSTEM, ASK, ANSWER, text("user", "again")]),
    case("instructions", "tools", [ASK, ANSWER, text("user", "again")], tools=[TOOL, FINISH]),
    case("instructions", "two questions in a row are refused", [ASK, ASK]),
    case("instructions", "another role is refused", [ASK, text("critic", "no")]),
    case("pictures", "text alone", [text("user", "Hello")]),
    case("pictures", "parts", [SYSTEM, PARTS]),
    case("pictures", "numbered parts over turns", [PARTS, text("assistant", "Nothing."), PARTS],
         add_vision_id=True),
    case("controls", "skips the empty and stops", PROSE),
    case("controls", "ends with an answer", PROSE[:2], add_generation_prompt=False),
    case("values", "everything", [text("user", "and the quick brown one in the field?")], **VALUES),
]


class Clock(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return NOW


def make(folder):
    """Renders every case and writes `golden.json`."""
    chat_template_utils.datetime = Clock
    rows = [render(folder, row) for row in CASES]
    (folder / "golden.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    refused = sum(row["refused"] is not None for row in rows)
    print(f"{folder.name}: {len(rows)} cases, {refused} of them refused")


def render(folder, row):
    """The case with what came out: `rendered`, or the message of the refusal in `refused`."""
    golden = {**row, "now": NOW.isoformat(), "rendered": None, "refused": None}
    try:
        [golden["rendered"]], _ = chat_template_utils.render_jinja_template(
            conversations=[row["messages"]],
            tools=row["tools"],
            chat_template=(folder / row["template"]).read_text(),
            add_generation_prompt=row["add_generation_prompt"],
            **row["variables"],
        )
    except jinja2.exceptions.TemplateError as refusal:
        if not str(refusal) or type(refusal) is not jinja2.exceptions.TemplateError:
            raise
        golden["refused"] = str(refusal)
    return golden
