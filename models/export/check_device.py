"""The same replies on ONNX Runtime's WebGPU provider: `python check_device.py`, after `make.py`.

Needs `pip install onnxruntime-ep-webgpu==0.4.0` and a Vulkan device; a software one does (README).
The cache lives in device memory and only logits come back, in both forms that a runtime may use:
growing (each step's `present` is the next one's past) and shared (one buffer is both).
"""

import collections
import json
import sys

import numpy as np
import onnxruntime
import onnxruntime_ep_webgpu as webgpu
from onnxruntime.capi import _pybind_state as native

import goldens
from folder import Folder
from make import DATA
from sessions import Sessions

# Positions of the shared buffer: more than any case and its reply need.
ROOM = 256
# The longest piece of a prompt given at once. From 32 positions on, the provider takes a kernel
# that assumes subgroups of at least 8 invocations; a software device may have 4 (SwiftShader
# does), and then the kernel counts keys twice, without an error. Below 32 another kernel runs.
PIECE = 31


def reply(sessions, memory, embeds, shared, forget=False):
    """The greedy reply with the cache in `memory`. `forget` empties the cache at every step: a
    control, whose reply must differ."""
    device = DeviceCache(sessions, memory, shared)
    logits, tokens = [], []
    while len(tokens) < goldens.REPLY:
        if forget:
            device.clear()
        for start in range(0, embeds.shape[1], PIECE):
            rows = device.append(embeds[:, start:start + PIECE])
        logits.append(rows[-1])
        tokens.append(int(rows[-1].argmax()))
        embeds = sessions.embeddings(tokens[-1:])
    return np.array(logits), tokens


class DeviceCache:
    """A decoder's cache in device memory, and the binding that keeps it there."""

    def __init__(self, sessions, memory, shared):
        self.sessions, self.memory, self.shared = sessions, memory, shared
        self.names = [name for name in sessions.inputs if name.startswith("past_key_values.")]
        self.past = 0
        self.clear()

    def clear(self):
        """Zeroes the content, not the length."""
        room = ROOM if self.shared else self.past
        self.tensors = {name: empty(self.sessions, name, self.memory, room) for name in self.names}

    def append(self, embeds):
        """Appends embeddings and returns the logits, the only thing that leaves the device."""
        binding = self.sessions.decoder.io_binding()
        self.past += embeds.shape[1]
        feed = {"inputs_embeds": embeds, "attention_mask": np.ones((1, self.past), np.int64)}
        if "num_logits_to_keep" in self.sessions.inputs:
            feed["num_logits_to_keep"] = np.array(1, np.int64)
        for name, value in feed.items():
            binding.bind_cpu_input(name, value)
        binding.bind_output("logits", "cpu")
        for name in self.names:
            present = name.replace("past_key_values", "present")
            binding.bind_ortvalue_input(name, self.tensors[name])
            if self.shared:
                binding.bind_ortvalue_output(present, self.tensors[name])
            else:
                binding.bind_output(present, "webgpu", 0)
        self.sessions.decoder.run_with_iobinding(binding)
        logits, *present = binding.get_outputs()
        assert present[0].device_name() == "webgpu", "the cache left the device"
        if not self.shared:
            self.tensors = dict(zip(self.names, present))
        return logits.numpy()[0]


def empty(sessions, name, memory, positions):
    """A cache tensor of so many zeroed positions in device memory."""
    shape = sessions.inputs[name].shape
    return onnxruntime.OrtValue.ortvalue_from_shape_and_type(
        [1, shape[1], positions, shape[3]], np.float32, memory_info=memory
    )


def placement(session):
    """How many nodes of each operator each provider got."""
    return collections.Counter(
        (part.ep_name, node.op_type)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    )


def main():
    """Runs every case of the SmolVLM folder on the first WebGPU device, in both forms."""
    onnxruntime.register_execution_provider_library("webgpu", webgpu.get_library_path())
    devices = [d for d in onnxruntime.get_ep_devices() if d.ep_name == webgpu.get_ep_name()]
    if not devices:
        sys.exit("no WebGPU device: see README.md for a software one")
    memory = devices[0].memory_info(native.OrtDeviceMemoryType.DEFAULT)
    folder = Folder(DATA / "smolvlm-tiny")
    recorded = json.loads((folder.path / "golden.json").read_text())
    # Pixels that are kept as a checksum can't be fed.
    recorded = [golden for golden in recorded if "sha256" not in (golden["pixel_values"] or {})]
    for suffix in ("", "_q4"):
        sessions = Sessions(folder, suffix, devices[0])
        for (provider, operator), count in sorted(placement(sessions.decoder).items()):
            print(f"  {provider:24} {operator} x{count}")
        furthest = 0.0
        for golden in recorded:
            expected = golden["q4"] if suffix else golden
            embeds = prompt_embeddings(sessions, golden)
            for shared in (False, True):
                logits, tokens = reply(sessions, memory, embeds, shared)
                form = "shared" if shared else "growing"
                assert tokens == expected["greedy"], f"{golden['name']}, {form}: another reply"
                distance = np.abs(logits[0] - np.array(expected["first_logits"])).max()
                furthest = max(furthest, float(distance))
        _, forgetful = reply(sessions, memory, embeds, shared=True, forget=True)
        assert forgetful != expected["greedy"], "forgetting the cache made no difference"
        print(f"decoder{suffix}: every reply equal, growing and shared; logits within {furthest:.1e}")


def prompt_embeddings(sessions, golden):
    """The merged embeddings of a golden's prompt; vision and embedding run on the CPU."""
    features = None
    if golden["pixel_values"]:
        features = sessions.features(goldens.tensor_values(golden["pixel_values"]))
    return sessions.embeddings(golden["input_ids"], features)


if __name__ == "__main__":
    main()
