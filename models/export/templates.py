"""What transformers renders from the chat templates under `tests/data/templates`, or why it refuses.

The templates there are written by hand, in the manner of the families in use; only `golden.json`
is made here. Each row holds every variable that the template sees, the clock included.

`published/` has templates that models were published with; of what comes out of them `golden.json` there keeps
the length and the hash.
"""

import hashlib
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

# What every published template is given: calls and results with all that any of them asks for.
def called(number, name, arguments):
    return {"id": f"call{number:05}", "type": "function", "function": {"name": name, "arguments": arguments}}


def result(number, name, content):
    return text("tool", content, tool_call_id=f"call{number:05}", name=name)


DONE = {
    "type": "function",
    "function": {
        "name": "finish",
        "description": "Ends.",
        "parameters": {"type": "object", "properties": {"note": {"type": "string", "description": "Why."}}, "required": []},
    },
}
CALLED = text("assistant", "", tool_calls=[called(1, "click", CALL["function"]["arguments"])])
BOTH = text("assistant", "Both.", tool_calls=[called(2, "click", {"x": 1, "y": 2}), called(3, "finish", {"note": "é"})])
RESULTS = [result(2, "click", "clicked"), result(3, "finish", "over")]


def in_parts(said):
    """The message with its text as a list of one part, as a processor's template gets it."""
    content = said["content"]
    return said if isinstance(content, list) else text(said["role"], [{"type": "text", "text": content}])


SEEN = text("user", [{"type": "image"}, {"type": "text", "text": "What changed? "}, {"type": "image"}])
CONVERSATIONS = {
    "question": {"messages": [ASK]},
    "system": {"messages": [SYSTEM, ASK, ANSWER, ASK]},
    "an answer to go on with": {"messages": [ASK, ANSWER], "add_generation_prompt": False},
    "no thinking": {"messages": [SYSTEM, ASK], "enable_thinking": False},
    "thinking": {"messages": [SYSTEM, ASK], "enable_thinking": True},
    "tools": {"messages": [SYSTEM, ASK], "tools": [TOOL, DONE]},
    "a call and its result": {"messages": [ASK, CALLED, result(1, "click", "clicked")], "tools": [TOOL, DONE]},
    "calls": {"messages": [ASK, CALLED, result(1, "click", "clicked"), BOTH, *RESULTS, ANSWER, ASK], "tools": [TOOL, DONE]},
    "pictures": {"messages": [SYSTEM, SEEN, ANSWER, SEEN]},
    "pictures in parts": {"messages": [in_parts(said) for said in (SYSTEM, SEEN, ANSWER, SEEN)]},
    "pictures and tools": {"messages": [in_parts(said) for said in (SYSTEM, SEEN)], "tools": [TOOL, DONE]},
}


class Clock(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return NOW


def make(folder):
    """Renders every case and writes `golden.json`, and that of `published/`."""
    chat_template_utils.datetime = Clock
    rows = [golden(folder, row) for row in CASES]
    write(folder, rows)
    refused = sum(row["refused"] is not None for row in rows)
    print(f"{folder.name}: {len(rows)} cases, {refused} of them refused")
    published = folder / "published"
    templates = sorted(path.stem for path in published.glob("*.jinja"))
    rows = [shortened(published, template, name) for template in templates for name in CONVERSATIONS]
    rows = [row for row in rows if row]
    conversations = {name: case("", name, **given) for name, given in CONVERSATIONS.items()}
    write(published, {"now": NOW.isoformat(), "conversations": conversations, "cases": rows})
    refused = sum(row["refused"] is not None for row in rows)
    print(f"{published.name}: {len(templates)} templates, {len(rows)} cases, {refused} of them refused")


def write(folder, rows):
    (folder / "golden.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def render(folder, row):
    [rendered], _ = chat_template_utils.render_jinja_template(
        conversations=[row["messages"]],
        tools=row["tools"],
        chat_template=(folder / row["template"]).read_text(),
        add_generation_prompt=row["add_generation_prompt"],
        **row["variables"],
    )
    return rendered


def golden(folder, row):
    """The case with what came out: `rendered`, or the message of the refusal in `refused`."""
    golden = {**row, "now": NOW.isoformat(), "rendered": None, "refused": None}
    try:
        golden["rendered"] = render(folder, row)
    except jinja2.exceptions.TemplateError as refusal:
        if not str(refusal) or type(refusal) is not jinja2.exceptions.TemplateError:
            raise
        golden["refused"] = str(refusal)
    return golden


def shortened(folder, template, name):
    """A published template's case, or none where it isn't meant for such a conversation: the length in bytes and hash of
    what came out, or the message of its refusal. Where Python itself fails, on a list taken for text and the like,
    nothing is held to it."""
    row = {"template": f"{template}.jinja", "conversation": name, "bytes": None, "sha256": None, "refused": None}
    try:
        rendered = render(folder, case(template, name, **CONVERSATIONS[name])).encode()
    except jinja2.exceptions.TemplateError as refusal:
        refuses = type(refusal) is jinja2.exceptions.TemplateError
        return {**row, "refused": str(refusal)} if refuses else None
    except (TypeError, AttributeError):
        return None
    return {**row, "bytes": len(rendered), "sha256": hashlib.sha256(rendered).hexdigest()}
