"""The processor that comes with Phi-3-vision (`processing_phi3_v.py`), which transformers hasn't: the picture on a few
tiles of white, a small view of the whole, and a prompt that is tokenised text by text between its images."""

import math
import re

import torch
from PIL import Image
from torchvision.transforms.functional import normalize, pad, resize, to_tensor
from transformers import BatchFeature
from transformers.image_processing_utils import ImageProcessingMixin

TILE = 336
# Features along a tile's side.
SIDE = 12
MEAN = [0.48145466, 0.4578275, 0.40821073]
DEVIATION = [0.26862954, 0.26130258, 0.27577711]
IMAGE = "<|image|>"
TAG = re.compile(r"<\|image_\d+\|>")


class Phi3VImageProcessor(ImageProcessingMixin):
    """Pictures to tiles; its settings are those of published folders."""

    model_input_names = ["pixel_values", "image_sizes"]

    def __init__(self, num_crops=1, image_mean=None, image_std=None, **others):
        super().__init__(**others)
        self.num_crops = num_crops
        self.image_mean = image_mean or MEAN
        self.image_std = image_std or DEVIATION
        self.num_img_tokens = SIDE**2

    def fitted(self, picture, num_crops):
        """The picture on its tiles. A tall one lies on its side meanwhile."""
        tall = picture.width < picture.height
        if tall:
            picture = picture.transpose(Image.Transpose.TRANSPOSE)
        ratio = picture.width / picture.height
        columns = 1
        while (columns + 1) * math.ceil((columns + 1) / ratio) <= num_crops:
            columns += 1
        width = columns * TILE
        height = int(width / ratio)
        rows = math.ceil(height / TILE)
        above = (rows * TILE - height) // 2
        canvas = pad(resize(picture, [height, width]), [0, above, 0, rows * TILE - height - above], fill=[255] * 3)
        return canvas.transpose(Image.Transpose.TRANSPOSE) if tall else canvas

    def pixels(self, picture, num_crops=None):
        """`[1 + tiles, 3, 336, 336]`, the whole first, and height and width of the canvas."""
        canvas = self.fitted(picture.convert("RGB"), num_crops or self.num_crops)
        numbers = normalize(to_tensor(canvas), self.image_mean, self.image_std)
        whole = torch.nn.functional.interpolate(numbers[None], size=(TILE, TILE), mode="bicubic")
        rows, columns = canvas.height // TILE, canvas.width // TILE
        cut = numbers.reshape(3, rows, TILE, columns, TILE).permute(1, 3, 0, 2, 4)
        return torch.cat([whole, cut.reshape(-1, 3, TILE, TILE)]), [canvas.height, canvas.width]

    def __call__(self, pictures, num_crops=None):
        """All pictures' tiles `[images, 1 + most, 3, 336, 336]`, zeros where one has fewer, and their canvases' sizes."""
        made = [self.pixels(picture, num_crops) for picture in pictures]
        most = 1 + max(num_crops or self.num_crops, *(len(tiles) - 1 for tiles, _ in made))
        filled = torch.zeros(len(made), most, 3, TILE, TILE)
        for place, (tiles, _) in zip(filled, made):
            place[:len(tiles)] = tiles
        return {"pixel_values": filled, "image_sizes": torch.tensor([size for _, size in made])}


def features_of(size):
    """How many features a canvas of this height and width has."""
    rows, columns = (side // TILE for side in size)
    return (rows * columns + 1) * SIDE**2 + 1 + (rows + 1) * SIDE


class Phi3VProcessor:
    """Prompts with `<|image_1|>` in them, and pictures."""

    def __init__(self, image_processor, tokenizer, chat_template):
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.chat_template = chat_template

    def asked(self, case):
        """The prompt, each image as the special token of the vocabulary, and the model's inputs."""
        tagged, plain, count = [], [], 0
        for message in case.messages:
            texts = {"tagged": "", "plain": ""}
            for part in message["content"]:
                if part["type"] == "image":
                    count += 1
                    texts["tagged"] += f"<|image_{count}|>\n"
                    texts["plain"] += f"{IMAGE}\n"
                else:
                    texts = {form: text + part["text"] for form, text in texts.items()}
            tagged.append({"role": message["role"], "content": texts["tagged"]})
            plain.append({"role": message["role"], "content": texts["plain"]})
        write = lambda messages: self.tokenizer.apply_chat_template(
            messages, chat_template=self.chat_template, add_generation_prompt=True, tokenize=False
        )
        pictures = list(case.pictures.values())
        images = self.image_processor(pictures, **case.processor) if pictures else {}
        ids = self.ids(write(tagged), images)
        return write(plain), BatchFeature({"input_ids": torch.tensor([ids]), **images})

    def ids(self, prompt, images):
        """The tokens: of every text between two images as of a prompt, and an image's own, which here is the token that
        could be written for it, so that a place of the embeddings' table is looked up."""
        image = self.tokenizer.convert_tokens_to_ids(IMAGE)
        ids = []
        places = [features_of(size) for size in images["image_sizes"].tolist()] if images else []
        for text, count in zip(TAG.split(prompt), [*places, 0], strict=True):
            ids += self.tokenizer(text).input_ids + [image] * count
        return ids

    def kept(self, inputs):
        """The tiles of all images, without those that fill up one that has fewer."""
        sizes = inputs["image_sizes"].tolist()
        counts = [1 + height // TILE * (width // TILE) for height, width in sizes]
        return torch.cat([tiles[:count] for tiles, count in zip(inputs["pixel_values"], counts)])
