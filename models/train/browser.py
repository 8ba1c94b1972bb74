"""A headless Chromium driven over the Chrome DevTools Protocol: one page, nothing more.

Finds the browser in `GLANCE_CHROMIUM`, else `chromium` on PATH. Loopback only.
"""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import numpy
import websocket
from PIL import Image

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--no-zygote",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
]


class Browser:
    """One page of `width` x `height` CSS px at scale 1."""

    def __init__(self, width: int, height: int):
        program = os.environ.get("GLANCE_CHROMIUM") or shutil.which("chromium") or "chromium"
        environment = dict(os.environ)
        beside = Path(program).parent
        if (beside / "lib").is_dir():  # an unpacked npm package brings its libraries along
            environment["LD_LIBRARY_PATH"] = f"{beside / 'lib'}:{beside}"
        self.profile = tempfile.mkdtemp(prefix="glance-browser-")
        self.process = subprocess.Popen(
            [program, *FLAGS, f"--window-size={width},{height}", f"--user-data-dir={self.profile}", "about:blank"],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        port = next(
            match.group(1) for line in self.process.stderr if (match := re.search(r"ws://[^:]+:(\d+)/", line))
        )
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()
        targets = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
        page = next(target for target in targets if target["type"] == "page")
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"])
        self.sent = 0
        self.command("Page.enable")
        self.command("Runtime.enable")
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def command(self, method: str, **parameters):
        """Sends one protocol command and waits for its answer."""
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.sent:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def evaluate(self, script: str):
        """The value of a JavaScript expression."""
        answer = self.command("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"])[:800])
        return answer["result"].get("value")

    def screenshot(self) -> numpy.ndarray:
        """The page as [height, width, 3] bytes."""
        data = self.command("Page.captureScreenshot", format="png")["data"]
        return numpy.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def click(self, x: float, y: float) -> None:
        mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.command("Input.dispatchMouseEvent", type="mousePressed", buttons=1, **mouse)
        self.command("Input.dispatchMouseEvent", type="mouseReleased", buttons=0, **mouse)

    def type_text(self, text: str) -> None:
        """Types into whatever has the focus, a key at a time."""
        for character in text:
            self.command("Input.dispatchKeyEvent", type="keyDown", text=character, key=character)
            self.command("Input.dispatchKeyEvent", type="keyUp", key=character)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        time.sleep(0.1)
        shutil.rmtree(self.profile, ignore_errors=True)


def open_page_maker(width: int, height: int, words: dict) -> Browser:
    """A browser with the page generator loaded and its word lists set."""
    browser = Browser(width, height)
    folder = Path(__file__).parent / "pages"
    for name in ("chance", "look", "widgets", "layout", "annotate"):
        browser.evaluate((folder / f"{name}.js").read_text() + "\n;0")
    browser.evaluate(f"WORDS = {json.dumps(words)}; 0")
    return browser
