"""What transformers reads out of Florence-2's replies: boxes, quadrilaterals, polygons and their labels."""

import goldens

# As published processors have it, shortened: words that name nothing in a picture.
SETTINGS = {
    "ocr": {"pattern": None, "area_threshold": 0.0},
    "phrase_grounding": {"banned_grounding_tokens": ["it", "the image", "a group"]},
    "pure_text": {},
    "description_with_bboxes": {},
    "description_with_polygons": {},
    "polygons": {},
    "bboxes": {},
    "description_with_bboxes_or_polygons": {},
}

SIZES = [(640, 480), (1000, 1000), (77, 45), (1, 1), (3, 1999), (1366, 768)]


def places(*bins):
    """Tokens of places."""
    return "".join(f"<loc_{place}>" for place in bins)


BOX, OTHER = places(52, 332, 932, 774), places(0, 0, 999, 999)
QUAD, POLYGON = places(10, 20, 300, 21, 299, 90, 9, 91), places(1, 2, 30, 40, 500, 600, 7, 8, 9, 10)

REPLIES = [
    ("<CAPTION>", "A red circle.</s>"),
    ("<OCR>", f"ab{BOX}"),
    ("<REGION_TO_CATEGORY>", f"circle{BOX}"),
    ("<OD>", f"</s><s>car{BOX}door{OTHER}</s>"),
    # Two boxes of one label, half a box, none, white space, what isn't ASCII, and a marker.
    ("<OD>", f"wheel{BOX}{OTHER}"),
    ("<OD>", f"wheel{places(1, 2, 3)}door{OTHER}"),
    ("<OD>", f"wheel{BOX}{places(4, 5)}"),
    ("<OD>", f"  a caf\u00e9 \u8a9e {BOX} , {OTHER}"),
    ("<OD>", "nothing at all"),
    ("<OD>", f"{BOX}car{OTHER}"),
    ("<OD>", f"<od>car{BOX}</od>"),
    ("<OD>", f"a\nb{BOX}"),
    ("<OD>", places(900, 900, 100, 100) + "x" + places(900, 900, 100, 100)),
    ("<DENSE_REGION_CAPTION>", f"a red circle{BOX}text on a sign{OTHER}{BOX}"),
    ("<REGION_PROPOSAL>", f"{BOX}{OTHER}{BOX}"),
    ("<REGION_PROPOSAL>", f"a{BOX} b {places(1, 2, 3)}c{OTHER}{places(7)}"),
    ("<REGION_PROPOSAL>", ""),
    ("<CAPTION_TO_PHRASE_GROUNDING>", f"A circle{BOX}{OTHER}the image{OTHER}it{BOX}a sign{BOX}"),
    ("<CAPTION_TO_PHRASE_GROUNDING>", f"<ground>A circle{BOX}"),
    ("<OCR_WITH_REGION>", f"Hello{QUAD}W\u00f6rld <b>{QUAD}"),
    ("<OCR_WITH_REGION>", f"Hello{BOX}{QUAD} x{QUAD}"),
    ("<OCR_WITH_REGION>", f"Hello{BOX}"),
    ("<OCR_WITH_REGION>", f"{QUAD}{QUAD}"),
    ("<OCR_WITH_REGION>", f"two\nlines{QUAD}"),
    ("<REFERRING_EXPRESSION_SEGMENTATION>", POLYGON),
    ("<REFERRING_EXPRESSION_SEGMENTATION>", f"{POLYGON}<sep>{QUAD}"),
    ("<REFERRING_EXPRESSION_SEGMENTATION>", f"<poly>{POLYGON}<sep>{QUAD}</poly><poly>{QUAD}</poly>"),
    ("<REGION_TO_SEGMENTATION>", places(1, 2, 3, 4, 5)),
    ("<REGION_TO_SEGMENTATION>", f"a{POLYGON}b"),
    ("<REGION_TO_SEGMENTATION>", f"a{POLYGON}{places(5)}<sep>{places(1, 2)}<sep>"),
    ("<OPEN_VOCABULARY_DETECTION>", f"circle{BOX}"),
    ("<OPEN_VOCABULARY_DETECTION>", f"circle<poly>{POLYGON}</poly>"),
    ("<OPEN_VOCABULARY_DETECTION>", f"circle<poly>{POLYGON}<sep>{QUAD}</poly><poly>{QUAD}</poly>sign<poly>{QUAD}</poly>"),
    ("<OPEN_VOCABULARY_DETECTION>", f"circle{BOX}sign<poly>{QUAD}</poly>"),
    ("What is there?", f"car{BOX}"),
]


def write(folder, processor):
    """Writes what the processor makes of every reply, and of one in pictures of other sizes."""
    rows = [(task, reply, SIZES[0]) for task, reply in REPLIES]
    every = "".join(f"a{places(*range(place, place + 4))}" for place in range(0, 1000, 4))
    rows += [("<OD>", REPLIES[3][1], size) for size in SIZES] + [("<OD>", every, size) for size in SIZES[:2]]
    read = []
    for task, reply, size in rows:
        result = processor.post_process_generation(text=reply, task=task, image_size=size)[task]
        read.append({"task": task, "reply": reply, "size": size, "read": result})
    goldens.write(read, folder.path / "replies.json")
