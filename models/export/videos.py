"""Goldens of videos: which frames are sampled, and what transformers makes of a conversation that shows one.

The models are those of the tiny folders, which must be there: the seed is found again by what `golden.json` has. Which
frames there are is in files beside the goldens, so that a reader decodes and samples them itself.
"""

import hashlib
import importlib
import json
import shutil

import numpy as np
import torch
from PIL import Image, ImageSequence
from transformers import Qwen2_5_VLProcessor
from transformers.models.smolvlm import processing_smolvlm
from transformers.video_utils import VideoMetadata

import anyres
import goldens
import seeds
import verify
import video_sizes
from folder import Folder
from pictures import picture
from sessions import Sessions

# What is sampled where neither the class nor the folder says it.
SAMPLED = {
    "qwen2_vl": {"fps": 2},
    "qwen2_5_vl": {"fps": 2},
    "qwen3_vl": {},
    "qwen3_vl_moe": {},
    "qwen3_5": {},
    "smolvlm": {"fps": 1, "num_frames": 64},
    # Up to so many: all of a video that has fewer.
    "internvl": {"num_frames": 8},
    "llava_onevision": {"num_frames": 8},
}
# Families for which fewer frames are asked for where a video has fewer, which transformers would refuse.
UP_TO = ["internvl", "llava_onevision"]

# By name: the videos' files, frames a second, and frames. Animations are files, the rest are folders.
VIDEOS = {
    "run.gif": (5, 12, (40, 28)),
    "steps": (1, 7, (37, 26)),
    "pair": (10, 2, (24, 32)),
    "turn.gif": (10, 9, (30, 34)),
}
# The classes, what their settings may be, and for which (frames, frames a second) places are recorded.
LENGTHS = [
    (2, 1), (3, 1), (4, 2), (5, 2.5), (7, 1), (7, 3), (10, 10), (12, 5), (24, 24), (25, 12.5), (31, 30), (48, 24),
    (50, 1), (61, 15), (77, 7), (90, 30), (97, 29.97), (100, 25), (143, 23.976), (240, 24), (301, 10), (450, 15),
    (600, 60), (751, 25), (999, 30), (1500, 29.97), (1801, 2), (2400, 12), (4321, 24), (9000, 30), (20011, 25),
]
SETTINGS = {
    "Qwen2VLVideoProcessor": [
        {"fps": 2},
        {"fps": 1.5, "max_frames": 40},
        {"fps": 3, "min_frames": 8, "temporal_patch_size": 4},
        {"num_frames": 2},
    ],
    "Qwen3VLVideoProcessor": [
        {"fps": 2},
        {"fps": 1.5, "max_frames": 40},
        {"fps": 0.3, "min_frames": 8, "temporal_patch_size": 4},
        {"num_frames": 9},
    ],
    "SmolVLMVideoProcessor": [{"fps": 1, "num_frames": 64}, {"fps": 2, "num_frames": 8}],
    "InternVLVideoProcessor": [
        {"num_frames": 8},
        {"num_frames": 5, "fps": 3},
        {"fps": 1},
        {"fps": 2.5, "initial_shift": False},
        {"num_frames": 7, "initial_shift": 3},
        {"num_frames": 3, "initial_shift": 0.75},
    ],
    "LlavaOnevisionVideoProcessor": [{"num_frames": 8}, {"num_frames": 31}, {"fps": 1}, {"fps": 2.5}],
}


class Case:
    """A conversation to record. `parts` of a user's message are names of videos and pictures, and questions."""

    def __init__(self, name, *turns):
        self.name = name
        self.messages, self.videos, self.pictures = [], [], []
        for place, parts in enumerate(turns):
            content = [self.part(part) for part in parts]
            self.messages.append({"role": "assistant" if place % 2 else "user", "content": content})

    def part(self, part):
        if part in VIDEOS:
            self.videos.append(part)
            return {"type": "video"}
        if part.endswith(".png"):
            self.pictures.append(part)
            return {"type": "image"}
        return {"type": "text", "text": part}


QWEN = [
    Case("animation", ["run.gif", "What changed?"]),
    Case("folder", ["Look: ", "steps", "Where does it end? Ü, 語."]),
    Case("pair", ["pair", "Which is the first?"]),
    Case("image_later", ["steps", "What happens?"], ["It moves."], ["small.png", "Is that in it?"]),
    Case("video_later", ["small.png", "What is this?"], ["A square."], ["run.gif", "pair", "And here?"]),
]
# All frames of all videos in one conversation come as one tensor, so those of both at the end are as many.
PICTURES = [*QWEN[:-1], Case("video_later", ["small.png", "What is this?"], ["A square."], ["run.gif", "turn.gif", "And here?"])]
CASES = {
    "qwen2_vl": QWEN,
    "qwen2_5_vl": QWEN,
    "qwen3_vl": QWEN,
    # To the first question its best token isn't clear.
    "qwen3_vl_moe": [Case("animation", ["run.gif", "What moves?"]), *QWEN[1:]],
    "qwen3_5": QWEN,
    "smolvlm": [
        Case("animation", ["run.gif", "What changed?"]),
        Case("folder", ["Look: ", "steps", "Where does it end? Ü, 語."]),
        Case("pair", ["pair", "Which is the first?"]),
        Case("video_later", ["Do you see well?"], ["Yes."], ["run.gif", "What changed?"]),
    ],
    "internvl": PICTURES,
    "llava_onevision": PICTURES,
}


def frames(name):
    """The frames of a video: a picture before which a bar moves."""
    _, count, (width, height) = VIDEOS[name]
    still = np.array(picture(width, height, seed=50 + len(name)))
    made = []
    for place in range(count):
        frame = still.copy()
        left = place * (width - 6) // max(count - 1, 1)
        frame[place % 5 : place % 5 + height // 2, left : left + 6] = (250, 20 * place, 40)
        made.append(Image.fromarray(frame, "RGB"))
    return made


def write_videos(folder):
    """Writes the files, and returns the frames `[frames, height, width, 3]` that Pillow reads of each."""
    read = {}
    for name, (rate, _, _) in VIDEOS.items():
        made = frames(name)
        path = folder / name
        if name.endswith(".gif"):
            duration = 1000 // rate
            made[0].save(path, save_all=True, append_images=made[1:], duration=duration, loop=0)
            with Image.open(path) as animation:
                pictures = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]
        else:
            path.mkdir()
            for place, frame in enumerate(made):
                frame.save(path / f"{place + 1}.png", optimize=True)
            pictures = [np.array(frame) for frame in made]
        assert len(pictures) == VIDEOS[name][1], f"{name}: equal frames were joined"
        read[name] = np.stack(pictures)
    return read


def metadata(total, rate):
    """What a video's reader would say of it."""
    return {"total_num_frames": total, "fps": rate, "duration": total / rate}


def places(name, settings, total, rate):
    """Where the frames are that transformers samples; `None` if it can't."""
    module = importlib.import_module(f"transformers.models.{MODULES[name]}")
    processor = getattr(module, name)(**settings)
    try:
        found = np.array(processor.sample_frames(VideoMetadata(**metadata(total, rate)), **settings)).tolist()
        if name == "Qwen3VLVideoProcessor" and len(found) < processor.temporal_patch_size:
            # It goes on to refuse fewer frames than a patch covers.
            return None
        # Where rounding makes one step more, transformers asks for a frame after the last one, and fails.
        return [place for place in found if place < total]
    except (ValueError, ZeroDivisionError):
        return None


MODULES = {
    "Qwen2VLVideoProcessor": "qwen2_vl.video_processing_qwen2_vl",
    "Qwen3VLVideoProcessor": "qwen3_vl.video_processing_qwen3_vl",
    "SmolVLMVideoProcessor": "smolvlm.video_processing_smolvlm",
    "InternVLVideoProcessor": "internvl.video_processing_internvl",
    "LlavaOnevisionVideoProcessor": "llava_onevision.video_processing_llava_onevision",
}


def sampling():
    """A row for each length and setting; of many places their number, the last few, and a hash of all."""
    rows = []
    for name, all_settings in SETTINGS.items():
        for settings in all_settings:
            for total, rate in LENGTHS:
                found = places(name, settings, total, rate)
                row = {"settings": {"video_processor_type": name, **settings}, "total": total, "rate": rate}
                if found is None:
                    rows.append({**row, "count": None})
                    continue
                text = ",".join(map(str, found))
                digest = hashlib.sha256(text.encode()).hexdigest()[:16]
                rows.append({**row, "count": len(found), "last": found[-6:], "sha256": digest})
    return rows


def same_model(family, name, folder, processor):
    """The model that the folder was made of."""
    golden = json.loads((folder.path / "golden.json").read_text())
    golden = next(row for row in golden if not row["images"])
    ids = torch.tensor([golden["input_ids"]])
    for seed in range(1, 2000):
        model = family.model(seed, processor)
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, -1]
        if np.abs(logits.numpy() - np.array(golden["first_logits"])).max() < 1e-4:
            print(f"{name}: seed {seed}")
            return model
    raise RuntimeError(f"no seed gives what {folder.path.name} has")


def record(case, folder, processor, model, read, sampled):
    """The golden of one case."""
    pictures = [Image.open(folder.path / name).convert("RGB") for name in case.pictures]
    videos = [torch.from_numpy(read[name]).permute(0, 3, 1, 2) for name in case.videos]
    described = [metadata(len(read[name]), VIDEOS[name][0]) for name in case.videos]
    prompt = processor.apply_chat_template(case.messages, add_generation_prompt=True, tokenize=False)
    # A conversation's images come as one list in a list from transformers' own chat template.
    is_nested = pictures and "batch_num_images" in processor.image_processor.model_input_names
    inputs = processor(
        text=prompt,
        images=[pictures] if is_nested else pictures or None,
        videos=videos,
        video_metadata=described,
        do_sample_frames=True,
        return_tensors="pt",
        **sampled,
    )
    sample = processor.video_processor.sample_frames
    seen = [[int(place) for place in sample(VideoMetadata(**one), **sampled)] for one in described]
    inputs = {key: value for key, value in inputs.items() if torch.is_tensor(value) or key == "second_per_grid_ts"}
    pixels = {key: value for key, value in inputs.items() if key.startswith("pixel_values")}
    if type(processor).__name__ == "InternVLProcessor":
        # It lays them among the images' tiles.
        made = processor.video_processor(videos=videos, video_metadata=described, do_sample_frames=True, **sampled)
        pixels["pixel_values_videos"] = torch.stack(made["pixel_values_videos"])
    logits, tokens = goldens.reply(model, inputs)
    assert goldens.margin(logits) > seeds.MARGIN / 4, f"{case.name}: a margin of {goldens.margin(logits):.1e}"
    ids = inputs["input_ids"]
    golden = {
        "name": case.name,
        "videos": [{"file": name, "rate": VIDEOS[name][0]} for name in case.videos],
        "images": case.pictures,
        "messages": case.messages,
        "sampled": seen,
        "pixels": {
            key: {"shape": list(value.shape), "sha256": hashlib.sha256(value.numpy().astype("<f4").tobytes()).hexdigest()}
            for key, value in pixels.items()
        },
        "prompt": prompt,
        "expanded_prompt": goldens.expanded(processor, prompt, ids[0].tolist()),
        "input_ids": ids[0].tolist(),
        "first_logits": [float(f"{value:.9g}") for value in logits[0].tolist()],
        "greedy": tokens,
        "text": processor.tokenizer.decode(tokens),
    }
    if hasattr(model.model, "get_rope_index"):
        names = ("mm_token_type_ids", "image_grid_thw", "video_grid_thw", "second_per_grid_ts")
        given = {name: inputs[name] for name in names if name in inputs}
        rows, delta = model.model.get_rope_index(ids, **given)
        golden["video_grid_thw"] = inputs["video_grid_thw"].tolist()
        golden["position_ids"] = rows[:, 0].tolist()
        golden["rope_delta"] = int(delta.flatten()[0])
    check(folder, golden, inputs, logits)
    return golden


def check(folder, golden, inputs, logits):
    """What ONNX Runtime makes of it must be the same, and the videos must matter."""
    sessions = Sessions(folder)
    features = []
    for pixels, grids in (("pixel_values", "image_grid_thw"), ("pixel_values_videos", "video_grid_thw")):
        if pixels in inputs:
            grid = inputs[grids].tolist() if grids in inputs else None
            features.append((pixels, seen(sessions, pixels, inputs, grid)))
    ids = np.array(golden["input_ids"])
    names = sessions.config
    image, video = (names.get(f"{kind}_token_id", names.get(f"{kind}_token_index", -1)) for kind in ("image", "video"))
    embeds = sessions.embeddings(golden["input_ids"])
    for pixels, rows in features:
        token = video if pixels == "pixel_values_videos" else image
        embeds[:, ids == token] = rows
    found, tokens = sessions.reply(embeds, goldens.REPLY, golden.get("position_ids"))
    distance = np.abs(found[0] - logits[0].numpy()).max()
    assert distance < verify.TOLERANCE, f"{golden['name']}: logits {distance} off"
    assert tokens == golden["greedy"], f"{golden['name']}: another reply"
    embeds[:, np.isin(ids, (image, video))] = 0
    blind, _ = sessions.step(embeds, sessions.empty_cache(), golden.get("position_ids"))
    assert np.abs(blind[-1] - found[0]).max() > verify.SEEN, f"{golden['name']}: the video isn't seen"


def seen(sessions, pixels, inputs, grid):
    """The rows of features that stand in the prompt, of all images or all videos."""
    values = inputs[pixels].numpy()
    if sessions.config["model_type"] != "llava_onevision":
        return sessions.features(values, grid)
    features = sessions.features(values.reshape(-1, *values.shape[-3:]))
    if pixels == "pixel_values":
        return sessions.packed(features, inputs["image_sizes"].tolist())
    newline = sessions.newline(values.shape[-1])
    videos, frames = values.shape[:2]
    each = features.reshape(videos, frames, -1, features.shape[-1])
    return np.concatenate([anyres.pooled(of_one, newline) for of_one in each])


def up_to(case, name):
    """The settings for a case's videos: no more frames than they have."""
    settings = SAMPLED[name]
    if name not in UP_TO:
        return settings
    numbers = {min(settings["num_frames"], VIDEOS[video][1]) for video in case.videos}
    assert len(numbers) == 1, f"{case.name}: videos of which {sorted(numbers)} frames are seen"
    return {"num_frames": numbers.pop()}


def in_words(number):
    """What SmolVLM's processor spells numbers of frames with, for those that are seen here."""
    words = "zero one two three four five six seven eight nine ten eleven twelve"
    return words.split()[number]


def make(path):
    """Writes the videos, the places and every family's goldens."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    read = write_videos(path)
    processing_smolvlm.num2words = in_words
    rows = sampling()
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (path / "sampling.json").write_text(f"[\n{text}\n]\n")
    print(f"videos/sampling.json: {len(rows)} rows")
    rows = video_sizes.rows()
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (path / "sizes.json").write_text(f"[\n{text}\n]\n")
    print(f"videos/sizes.json: {len(rows)} rows")
    for name, cases in CASES.items():
        family = importlib.import_module(name)
        folder = Folder(path.parent / f"{name}-tiny")
        processor = family.processor()
        model = same_model(family, name, folder, processor)
        written = folder.load(processor)
        if name == "qwen2_5_vl":
            # Its recipe takes Qwen2-VL's, which is the same for images; for videos this one tells the time.
            parts = ("image_processor", "tokenizer", "video_processor", "chat_template")
            written = Qwen2_5_VLProcessor(**{part: getattr(written, part) for part in parts})
        written.video_processor = type(written.video_processor).from_pretrained(folder.path)
        recorded = [record(case, folder, written, model, read, up_to(case, name)) for case in cases]
        goldens.write(recorded, path / f"{name}.json")
        print(f"videos/{name}.json: {len(recorded)} cases")
