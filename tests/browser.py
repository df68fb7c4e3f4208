"""A headless Chromium for tests of pages, which chromedriver controls over HTTP (the WebDriver standard). It leaves no files
behind."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from typing import Any, Optional

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"       # the key under which WebDriver returns an element
KEYS = {"Left": "\ue012", "Right": "\ue014", "Home": "\ue011", "End": "\ue010", "Tab": "\ue004", "Space": " ", "Enter": "\ue007"}


def need() -> None:
    """Skips a test if there is no browser. In CI that is a failure."""
    import pytest       # the measurements use a browser without it
    if not (shutil.which("chromedriver") and shutil.which("chromium")):
        if os.environ.get("CI"):
            pytest.fail("chromium and chromium-driver are missing: .ci/run installs them")
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")


class Browser:
    """One browser. The test must close it."""

    def __init__(self, profile: str) -> None:
        self._driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        assert self._driver.stdout is not None
        line = ""
        while "started successfully on port" not in line:
            line = self._driver.stdout.readline()
            assert line, "chromedriver ended"
        self._at = f"http://127.0.0.1:{line.rsplit(' ', 1)[1].strip().rstrip('.')}"
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}"]}
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self._session = f"/session/{made['sessionId']}"

    def _ask(self, method: str, path: str, body: "Optional[dict[str, Any]]" = None) -> Any:
        request = urllib.request.Request(self._at + path, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return json.load(answer)["value"]

    def open(self, address: str) -> None:
        """Opens a page anew, even if only the part behind # differs from the present address."""
        self._ask("POST", f"{self._session}/url", {"url": "about:blank"})
        self._ask("POST", f"{self._session}/url", {"url": address})

    def size(self, width: int, height: int) -> None:
        """Sets the size of the page itself, in pixels. It may be smaller than a window can be."""
        self._ask("POST", f"{self._session}/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}})

    def media(self, kind: str = "", **features: str) -> None:
        """Shows the page as on this medium ("print", "" for the screen), and as for a reader who asks for these features
        (forced_colors="active"); without features as for any reader."""
        self._ask("POST", f"{self._session}/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
            "media": kind, "features": [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]}})

    def run(self, script: str, *arguments: Any) -> Any:
        """Returns what a script returns. In the script `arguments[0]` is the first argument."""
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, *keys: str) -> None:
        """Presses and releases keys, one after the other. A key is a name of KEYS, or a character."""
        acts = [act for key in keys for act in ({"type": "keyDown", "value": KEYS.get(key, key)}, {"type": "keyUp", "value": KEYS.get(key, key)})]
        self._ask("POST", f"{self._session}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": acts}]})

    def click(self, selector: str) -> None:
        found = self._ask("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"{self._session}/element/{found[_ELEMENT]}/click", {})

    def complaints(self) -> "list[str]":
        """Returns what the page has written to the console since the last call."""
        return [f"{one['level']}: {one['message']}" for one in self._ask("POST", f"{self._session}/se/log", {"type": "browser"})]

    def close(self) -> None:
        try:
            self._ask("DELETE", self._session)
        finally:
            self._driver.terminate()
            self._driver.wait()
