"""Idefics3 (Laurençon et al. 2024), whose classes are SmolVLM's by other names in transformers: what they make of the same
conversations with the same weights. The graphs of `smolvlm-tiny/`, which must be made before, must give the same."""

from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

import goldens
import seeds
import smolvlm
import verify
from folder import Folder

# The seed that the search finds for SmolVLM. With the weights of another one the graphs' logits would be others.
SEED = 46


def processor():
    """The processor, with SmolVLM's small tokenizer."""
    return Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil(
            size={"longest_edge": smolvlm.LONGEST}, max_image_size={"longest_edge": smolvlm.TILE}
        ),
        tokenizer=smolvlm.processor().tokenizer,
        image_seq_len=smolvlm.FEATURES,
        chat_template=smolvlm.CHAT_TEMPLATE,
    )


def model():
    """The tiny SmolVLM's weights in a model of this class."""
    source = smolvlm.model(SEED, smolvlm.processor())
    named = source.config.to_dict()
    vision, text = named["vision_config"], named["text_config"]
    del vision["model_type"]
    config = Idefics3Config(
        vision_config=vision,
        text_config=text,
        **{key: named[key] for key in ("scale_factor", "image_token_id")},
        pad_token_id=text["pad_token_id"],
    )
    result = Idefics3ForConditionalGeneration(config)
    result.load_state_dict(source.state_dict())
    result.generation_config = source.generation_config
    return result.eval()


def make(path):
    """Writes everything of the folder but its graphs."""
    folder, graphs = Folder.emptied(path), Folder(path.parent / "smolvlm-tiny")
    its = model()
    folder.settings(its, processor(), smolvlm.settings())
    cases = smolvlm.cases()
    for case in cases:
        for file, image in case.pictures.items():
            image.save(folder.path / file, optimize=True)
    written = folder.load(processor())
    recorded = [goldens.record(case, written, its) for case in cases]
    verify.check(graphs, recorded, least_margin=seeds.MARGIN / 4)
    for golden in recorded:
        # The 4-bit decoder is held to SmolVLM's.
        del golden["q4"]
        golden["pixel_values"] = golden["pixel_values"] and goldens.hashed(golden["pixel_values"])
    goldens.write(recorded, folder.path / "golden.json")
    print(f"{path.name}: {len(recorded)} cases, {folder.size()} bytes")
