"""A headless Chromium, driven by the DevTools protocol over one websocket: pages that type, press buttons and wait."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

#: No sandbox: CI runs as root in a container. The rest keeps the browser from talking to anybody but this machine.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--mute-audio"),
    *("--hide-scrollbars", "--remote-debugging-port=0"),
)
#: Seconds that anything in a page may take.
PATIENCE = 20.0


class PageFailed(Exception):
    """What a page's script raised, or what it showed when it did not do what was waited for."""


class Browser:
    """One browser; its pages share nothing, as if they were on two computers, unless you say otherwise."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        #: What scripts of the pages wrote to their consoles, and what went wrong there.
        self.complaints: list[str] = []

    async def listen(self) -> None:
        """Read what the browser sends, until it closes the websocket."""
        async for message in self._socket:
            told = json.loads(message.data)
            waiting = self._answers.pop(told.get("id"), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(told)
            elif told.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                self.complaints.append(json.dumps(told["params"]))

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """One command of the protocol; its result, or PageFailed."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": params}
        await self._socket.send_json(command if session is None else command | {"sessionId": session})
        async with asyncio.timeout(PATIENCE):
            told = await answer
        if "error" in told:
            raise PageFailed(f"{method}: {told['error']}")
        result: dict[str, Any] = told["result"]
        return result

    async def open(self, address: str, *, width: int = 1000, height: int = 640) -> Page:
        """Open a page in a context of its own."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = (await self.call("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self, session)
        for domain in "Page", "Runtime", "Log":
            await page.call(f"{domain}.enable")
        await page.resize(width, height)
        await page.call("Page.navigate", url=address)
        await page.until("document.readyState === 'complete'")
        return page


class Page:
    """A page in the browser. Selectors are those of CSS."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, for this page."""
        return await self._browser.call(method, self._session, **params)

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        told = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            raise PageFailed(json.dumps(told["exceptionDetails"]))
        return told["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until an expression is true. The page looks at each change of it, and each 50 ms for all else."""
        told = await self.evaluate(
            f"""new Promise((resolve) => {{
                const look = () => {{
                    let holds = false;
                    try {{ holds = Boolean({condition}); }} catch {{ }}
                    if (!holds) return;
                    observer.disconnect(); clearInterval(timer); clearTimeout(late); resolve("");
                }};
                const observer = new MutationObserver(look);
                const timer = setInterval(look, 50);
                const late = setTimeout(() => resolve(document.body.innerText || "nothing"), {PATIENCE * 500});
                observer.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
                look();
            }})"""
        )
        if told:
            raise PageFailed(f"it never was so: {condition}\nthe page shows:\n{told}")

    async def type(self, selector: str, text: str) -> None:
        """Put the cursor into a field, replace what is there, as typing does."""
        await self.evaluate(f"(e => {{ e.focus(); e.select(); }})(document.querySelector({json.dumps(selector)}))")
        await self.call("Input.insertText", text=text)

    async def press_enter(self) -> None:
        """The key."""
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    async def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse, as it lies on the screen."""
        box = await self.evaluate(
            f"(e => (r => [r.x + r.width / 2, r.y + r.height / 2])(e.getBoundingClientRect()))"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        for kind in "mousePressed", "mouseReleased":
            mouse = {"type": kind, "x": box[0], "y": box[1], "button": "left", "clickCount": 1}
            await self.call("Input.dispatchMouseEvent", **mouse)

    async def texts(self, selector: str) -> list[str]:
        """The text of every element."""
        found: list[str] = await self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)"
        )
        return found

    async def resize(self, width: int, height: int, *, scale: float = 1.0) -> None:
        """Give the page a window of this size; a phone's is narrow."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500}
        await self.call("Emulation.setDeviceMetricsOverride", **size)

    async def picture(self) -> bytes:
        """What it looks like, as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Run a browser for the block."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(prefix="chat-browser-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        try:
            async with asyncio.timeout(PATIENCE):
                while (found := re.search(rb"listening on (ws://\S+)", await process.stderr.readline())) is None:
                    if process.stderr.at_eof():
                        raise PageFailed(f"{CHROMIUM} ended with status {await process.wait()}")
            reading = asyncio.create_task(process.stderr.read())  # so that the pipe is never full
            async with aiohttp.ClientSession() as client:
                async with client.ws_connect(found[1].decode(), max_msg_size=0) as socket:
                    browser = Browser(socket)
                    listening = asyncio.create_task(browser.listen())
                    yield browser
                    await browser.call("Browser.close")
                    await listening
            await reading
        finally:
            if process.returncode is None:
                try:
                    async with asyncio.timeout(5):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
