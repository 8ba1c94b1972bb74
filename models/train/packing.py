"""Packs many instructions behind one picture of a page, with every label the losses need.

A training row is [<bos>, 260 image tokens, instruction 1 + reply 1, instruction 2 + reply 2, ...].
Each instruction sees the picture and itself only, at the positions it would have alone.
"""

import random
from collections import deque
from dataclasses import dataclass, field

import numpy

from goals import Goal, Move, Step, Writer, next_move, usable
from vocabulary import ACT, BIN, COORDINATES, EOS, POINT_COLUMNS, POINT_ROWS, THINK, build

IMAGE_COLUMNS, IMAGE_ROWS = 10, 26
IMAGE_TOKENS = IMAGE_COLUMNS * IMAGE_ROWS
PREFIX = IMAGE_TOKENS + 1  # <bos> goes before the image
WIDTH, HEIGHT = 160, 208
THOUGHT_RATE = 0.05
# Text is packed in chunks of this many tokens; an instruction with its reply lies within one.
CHUNK = 118
CHUNKS = 4

# The supervised attention heads of the decoder, as (layer, head).
GROUND, SELECT, POINT, COPY = (2, 0), (3, 0), (4, 0), (4, 1)

WIDGETS = {"button": 1, "link": 2, "field": 3, "check": 7, "radio": 9, "close": 15}
WIDGET_CLASSES = 16
CHARACTER_CLASSES = 97  # 0 blank, 1..95 printable ASCII, 96 the bullet of a password


def patches(rect: list[float], visible: list | None = None) -> numpy.ndarray | None:
    """Which of the 260 image tokens (16 x 8 px each, row by row) show a rectangle."""
    mask = numpy.zeros((IMAGE_ROWS, IMAGE_COLUMNS), bool)
    if visible:
        for x, y in visible:
            mask[min(int(y) // 8, IMAGE_ROWS - 1), min(int(x) // 16, IMAGE_COLUMNS - 1)] = True
        return mask.ravel()
    x0, x1 = (min(max(v, 0), WIDTH) for v in (rect[0], rect[2]))
    y0, y1 = (min(max(v, 0), HEIGHT) for v in (rect[1], rect[3]))
    across, down = numpy.arange(IMAGE_COLUMNS) * 16, numpy.arange(IMAGE_ROWS) * 8
    covered_x = numpy.clip(numpy.minimum(x1, across + 16) - numpy.maximum(x0, across), 0, 16)
    covered_y = numpy.clip(numpy.minimum(y1, down + 8) - numpy.maximum(y0, down), 0, 8)
    covered = covered_y[:, None] * covered_x[None]
    if covered.max() <= 0:
        return None
    mask[covered >= 0.5 * covered.max()] = True
    return mask.ravel()


def aim(element: dict) -> tuple[list[float], numpy.ndarray | None]:
    """Where to click an element, in CSS px, and the image tokens that show that place."""
    if "box" in element:
        rect = element["box"]
        return [(rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2], patches(rect)
    rect, visible = element["rect"], element.get("visible")
    point = [(rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2]
    if visible:
        middle = numpy.mean(visible, 0)
        point = min(visible, key=lambda place: (place[0] - middle[0]) ** 2 + (place[1] - middle[1]) ** 2)
    return point, patches(rect, visible)


def seen(element: dict) -> numpy.ndarray | None:
    """Image tokens by which an element is known: its name where that is beside its box, else itself."""
    mask = patches(element["rect"], element.get("visible"))
    return patches(element["box"]) if mask is None and "box" in element else mask


def interest(goal: Goal, move: Move) -> float:
    """How gladly a move is drawn for training."""
    if goal.kind.startswith("click/"):
        return 0.6 if goal.kind == "click/field" else 0.4
    weight = 3.0 if goal.kind.startswith("login") else 1.0
    if move.tool == "type_text":
        return 8.0 * weight
    if move.tool == "finish":
        return 0.7
    return weight * (1.5 if move.step.element["kind"] == "field" else 1.0)


@dataclass
class Example:
    """One instruction with its reply, and what its attention heads should look at."""

    kind: str
    prompt: list[int]
    reply: list[int]
    image_looks: list = field(default_factory=list)  # (head, query token, image mask)
    text_looks: list = field(default_factory=list)  # (head, query token, key token)


class Encoder:
    """Turns goals into token examples."""

    def __init__(self):
        self.tokenizer = build()

    def ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def example(self, goal: Goal, move: Move, think: bool) -> Example | None:
        encoded = self.tokenizer.encode(goal.text, add_special_tokens=False)
        prompt = [*encoded.ids, THINK if think else ACT]
        # The token that holds a character; the one after a phrase is where its end is known.
        token_at = {}
        for index, (start, end) in enumerate(encoded.offsets):
            for at in range(start, end):
                token_at[at] = index
        after = lambda span: token_at.get(span[1], len(encoded.ids))  # noqa: E731
        thought = [*self.ids(move.thought), ACT] if think else []
        start = len(prompt) - 1 + len(thought)  # this token predicts the call's first token
        example = Example(goal.kind + "/" + move.tool, prompt, [])
        decide = [start + 1] + ([len(prompt) - 1] if think else [])
        if move.tool == "click":
            (x, y), mask = aim(move.step.element)
            if mask is None:
                return None
            x, y = min(int(x) // BIN, POINT_COLUMNS - 1), min(int(y) // BIN, POINT_ROWS - 1)
            call = self.ids('{"tool":"click","point":[%d,%d]}' % (x, y))
            decide += [start + 2, start + 3, start + 5]
            example.image_looks += [(POINT, at, mask) for at in decide]
        elif move.tool == "type_text":
            text = move.step.value
            call = self.ids('{"tool":"type_text","text":"%s"}' % text)
            mask = seen(move.step.element)
            decide.append(start + 2)
            if mask is not None:
                example.image_looks += [(POINT, at, mask) for at in decide]
            source = [token_at[at] for at in range(*move.step.valued)] + [after(move.step.valued)]
            spelled = encoded.ids[source[0] : source[0] + len(text)]
            if call[3:-1] == spelled:
                example.text_looks += [(COPY, start + 3 + index, key) for index, key in enumerate(source)]
            decide.append(start + 3)
        else:
            call = self.ids('{"tool":"finish"}')
        if move.step:
            phrase = move.step.named or move.step.valued
            if phrase:
                example.text_looks += [(SELECT, at, after(phrase)) for at in decide]
        for step in goal.steps:
            if (phrase := step.named or step.valued) and (mask := seen(step.element)) is not None:
                example.image_looks.append((GROUND, after(phrase), mask))
        example.reply = [*thought, *call, EOS]
        return example


def characters_and_widgets(page: dict) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The character in each 4 x 8 px cell [26, 40], and the kind of widget in each 8 x 8 px [26, 20]."""
    characters = numpy.zeros((26, 40), numpy.int64)
    widgets = numpy.zeros((26, 20), numpy.int64)

    def cells(rect, width, margin_x):
        left = max(0, int(numpy.ceil((rect[0] - margin_x) / width)))
        right = min(WIDTH // width - 1, int(numpy.floor((rect[2] - margin_x - 1e-3) / width)))
        top, bottom = max(0, int(numpy.ceil((rect[1] - 4) / 8))), min(25, int(numpy.floor((rect[3] - 4 - 1e-3) / 8)))
        return slice(top, bottom + 1), slice(left, right + 1)

    for element in page["elements"]:
        kind = WIDGETS[element["kind"]]
        if element["kind"] == "field":
            kind += bool(element["value"]) + 2 * element["focused"]
        if "box" in element:
            x0, y0, x1, y1 = element["box"]
            widgets[cells((x0 - 3, y0 - 3, x1 + 3, y1 + 3), 8, 4)] = kind + element["on"]
            kind += 4 + element["on"]
        widgets[cells(element["rect"], 8, 4)] = kind
    for character, *rect in page["chars"]:
        code = 96 if character == "•" else ord(character) - 31
        characters[cells(rect, 4, 2)] = code if 1 <= code <= 96 else -100
    return characters, widgets


class Packer:
    """Draws instructions for pages and packs them, a row of `CHUNKS` chunks a page."""

    def __init__(self, words: dict, seed: int):
        self.chance = random.Random(seed)
        self.writer = Writer(self.chance, words)
        self.encoder = Encoder()
        self.recent: deque = deque(maxlen=200)  # goals of other pages, for pages that show they are done

    def examples(self, page: dict) -> list[Example]:
        chance = self.chance
        tasks = [goal for goal in self.writer.tasks(page) if usable(goal)]
        clicks = [goal for goal in self.writer.clicks(page) if usable(goal)]
        moves = [(goal, next_move(goal)) for goal in tasks + clicks]
        self.recent += [(goal.kind, goal.text) for goal in tasks[:2] + clicks[:1]]
        if page["greets"]:
            done = self.writer.greeted(page)
        elif page["result"]:
            visible = {element["name"].lower() for element in page["elements"]}
            drawn = chance.sample(list(self.recent), min(8, len(self.recent)))
            done = [Goal("finish/result", text) for _, text in drawn if not any(name in text.lower() for name in visible)]
        else:
            done = []
        moves += [(goal, Move("finish", None, "all done")) for goal in done if usable(goal)]
        # Not all fit: draw without replacement, the rarer and harder moves more often.
        moves.sort(key=lambda move: chance.random() ** (1 / interest(*move)), reverse=True)
        made = (self.encoder.example(goal, move, chance.random() < THOUGHT_RATE) for goal, move in moves[:24])
        return [example for example in made if example]

    def row(self, page: dict) -> dict:
        length = CHUNK * CHUNKS
        ids, targets = numpy.zeros(length, numpy.int64), numpy.full(length, -100, numpy.int64)
        segments, positions = numpy.full(length, -1, numpy.int64), numpy.zeros(length, numpy.int64)
        image_looks, text_looks, kinds = [], [], []
        free = [CHUNK] * CHUNKS
        for count, example in enumerate(self.examples(page)):
            tokens = example.prompt + example.reply
            chunk = next((number for number, room in enumerate(free) if room >= len(tokens)), None)
            if chunk is None:
                continue
            used = (chunk + 1) * CHUNK - free[chunk]
            free[chunk] -= len(tokens)
            end = used + len(tokens)
            ids[used:end], segments[used:end] = tokens, count
            positions[used:end] = PREFIX + numpy.arange(len(tokens))
            first = used + len(example.prompt) - 1
            targets[first : first + len(example.reply)] = example.reply
            image_looks += [(head, used + query, mask) for head, query, mask in example.image_looks]
            text_looks += [(head, used + query, used + key) for head, query, key in example.text_looks]
            kinds.append((example.kind, first, len(example.reply)))
        return dict(ids=ids, targets=targets, segments=segments, positions=positions, image_looks=image_looks, text_looks=text_looks, kinds=kinds)

    def batch(self, pages: list[dict], images: numpy.ndarray) -> dict:
        """Arrays for one step; `images` is [B, 208, 160, 3] bytes."""
        rows = [self.row(page) for page in pages]
        batch = {name: numpy.stack([row[name] for row in rows]) for name in ("ids", "targets", "segments", "positions")}
        dense = [characters_and_widgets(page) for page in pages]
        batch["characters"], batch["widgets"] = numpy.stack([d[0] for d in dense]), numpy.stack([d[1] for d in dense])
        batch["images"] = images
        batch["looks"] = {}
        for head in (GROUND, SELECT, POINT, COPY):
            batch["looks"][head] = self.looks(head, rows)
        batch["hops"] = self.hops(pages)
        batch["kinds"] = [(b, *kind) for b, row in enumerate(rows) for kind in row["kinds"]]
        return batch

    @staticmethod
    def looks(head: tuple, rows: list[dict]) -> tuple:
        """Queries of one head as (chunk of the batch, token in it), and the keys they should look at."""
        onto_image = [(b, query, shown) for b, row in enumerate(rows) for h, query, shown in row["image_looks"] if h == head]
        onto_text = [(b, query, key) for b, row in enumerate(rows) for h, query, key in row["text_looks"] if h == head]
        found = onto_image + onto_text
        mask = numpy.zeros((len(found), PREFIX + CHUNK), bool)
        for index, (_, _, shown) in enumerate(onto_image):
            mask[index, 1:PREFIX] = shown
        for index, (_, _, key) in enumerate(onto_text, len(onto_image)):
            mask[index, PREFIX + key % CHUNK] = True
        chunk = numpy.array([b * CHUNKS + query // CHUNK for b, query, _ in found], numpy.int64)
        return chunk, numpy.array([query % CHUNK for _, query, _ in found], numpy.int64), mask

    @staticmethod
    def hops(pages: list[dict]) -> tuple:
        """From each image token of a field or box to the tokens of the text that names it."""
        rows, queries, masks = [], [], []
        for b, page in enumerate(pages):
            for element in page["elements"]:
                name = element.get("label") if element["kind"] == "field" else element["rect"] if "box" in element else None
                shown = patches(element.get("box", element["rect"])) if name else None
                named = patches(name) if name else None
                if shown is None or named is None:
                    continue
                for query in numpy.flatnonzero(shown):
                    rows.append(b)
                    queries.append(query)
                    masks.append(named)
        return numpy.array(rows, numpy.int64), numpy.array(queries, numpy.int64), numpy.array(masks, bool).reshape(-1, IMAGE_TOKENS)
