"""A bare loop over a folder's graphs: what `models.py` compares the runtime with.

    python models/export/speed/bare.py run|bind THREADS FOLDER

It obeys the same words on its input as `cargo bench -p percept-models --bench models -- --turns`, and answers each when it
is done. `run` calls `session.run` with numpy's arrays; `bind` leaves the decoder's cache in ONNX Runtime's own values
and binds them from run to run.
"""

import json
import os
import sys
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sessions  # noqa: E402
from loop import Loop  # noqa: E402


def loop_of(path, bind):
    """The loop over the folder's graphs. What few need is imported for them alone."""
    model = json.loads((path / "config.json").read_text())["model_type"]
    if model == "florence2":
        import own_loops

        return own_loops.Reading(path, bind)
    if model == "phi3_v":
        import own_loops

        return own_loops.Tiled(path, bind)
    return Loop(kind(model, path), path, bind)


def kind(model, path):
    """How a model's graphs are run."""
    if model == "janus":
        import janus_sessions

        return janus_sessions.Sessions
    if model == "chameleon":
        import chameleon_sessions

        return chameleon_sessions.Sessions
    if model == "emu3":
        import emu3_sessions

        return emu3_sessions.Sessions
    if model == "phi3":
        import genai_builder

        return genai_builder.Sessions
    if model == "gemma3":
        import gemma3

        return gemma3.Sessions
    if model == "idefics":
        import cross_attention
        from tokenizers import Tokenizer

        looking = cross_attention.Looking
        looking.image_token = Tokenizer.from_file(str(path / "tokenizer.json")).token_to_id("<image>")
        return looking
    return sessions.Sessions


def main(form, threads, path):
    """Does what it is told."""
    sessions.THREADS = int(threads)
    loop = None
    print("ready", flush=True)
    for word in map(str.strip, sys.stdin):
        answer = "done"
        if word == "load":
            loop = loop_of(Path(path), form == "bind")
        elif word == "see":
            loop.see()
        elif word == "first":
            loop.first()
        elif word == "rest":
            loop.rest()
            answer = json.dumps(loop.tokens)
        elif word != "again":
            raise ValueError(f"{word} isn't known")
        print(answer, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
