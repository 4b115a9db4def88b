"""The chat as people meet it: two browsers, a room that is killed under their eyes, and its history afterwards.

`python -m tests.chat.test_in_a_browser docs/chat.png` takes the picture of the documentation;
a name with `phone` in it, one as on a phone.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import actorpar as ap
from actorpar import web
from examples.chat import actors
from examples.chat.app import make_app

from .browser import CHROMIUM, Browser, Page, browsing

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium"),
    pytest.mark.may_block,  # the browser takes both cores as it starts
]

POSTS = "#posts .text"


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with web.serving(make_app(), port=0) as address:
        yield address


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


async def enter(page: Page, nick: str, room: str = "lobby") -> None:
    """Fill in the form at the door, and be let in."""
    await page.type("#nick", nick)
    await page.type("#room", room)
    await page.press_enter()
    await page.until("document.querySelector('#status').textContent.startsWith('running')")


async def say(page: Page, text: str) -> None:
    await page.type("#text", text)
    await page.press_enter()


async def reads(page: Page, *texts: str) -> None:
    """Wait until these are the last texts on the page."""
    wanted = [*texts]
    await page.until(
        f"JSON.stringify([...document.querySelectorAll('{POSTS}')].slice(-{len(texts)}).map(e => e.textContent))"
        f" === JSON.stringify({wanted})"
    )


async def test_a_room_is_killed_under_two_browsers_and_comes_back_with_its_history(
    address: str, browser: Browser
) -> None:
    ada, bob = await browser.open(address), await browser.open(address)
    await enter(ada, "Ada")
    await enter(bob, "Bob")
    await say(ada, "Is anybody here?")
    await reads(bob, "Is anybody here?")
    await say(bob, "I am")
    await reads(ada, "Is anybody here?", "I am")
    assert await ada.texts("#members li") == ["Ada", "Bob"]

    await bob.evaluate("document.querySelectorAll('#posts > *').forEach(post => { post.dataset.old = 'yes'; })")
    await ada.click("#kill")
    for page in ada, bob:
        await page.until("document.querySelector('#status').textContent === 'running, restart 1'")
        assert await page.texts(POSTS) == ["Is anybody here?", "I am"]
        assert await page.texts(".news.back") == ["The room was killed and started again. It remembers 2 messages."]
    assert await bob.texts("[data-old]") == [], "the page shows what the room remembers, not what it remembered itself"

    await say(bob, "Still here")
    await reads(ada, "Is anybody here?", "I am", "Still here")
    eve = await browser.open(address)
    await enter(eve, "Eve")
    assert await eve.texts(POSTS) == ["Is anybody here?", "I am", "Still here"]
    assert browser.complaints == []


async def test_what_is_typed_while_the_room_is_away_arrives_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, browser: Browser
) -> None:
    monkeypatch.setattr(actors, "BACKOFF", ap.Backoff(2.0, 2.0))  # a browser on a busy machine needs time to type
    async with web.serving(make_app(), port=0) as address:
        await type_while_away(address, browser)


async def type_while_away(address: str, browser: Browser) -> None:
    ada, bob = await browser.open(address), await browser.open(address)
    await enter(ada, "Ada")
    await enter(bob, "Bob")
    await ada.click("#kill")
    await bob.until("document.querySelector('#status').textContent === 'restarting'")
    await say(bob, "Did you see that?")
    await reads(ada, "Did you see that?")
    await reads(bob, "Did you see that?")


async def test_markup_is_text(address: str, browser: Browser) -> None:
    ada, bob = await browser.open(address), await browser.open(address)
    await enter(ada, "Ada")
    await enter(bob, "Bob")
    evil = "<img src=x onerror=alert(1)><b>&lt;</b>"
    await say(ada, evil)
    await reads(bob, evil)
    assert await bob.evaluate("document.querySelectorAll('#posts img, #posts b').length") == 0
    assert browser.complaints == []


async def test_a_nickname_that_is_taken_is_said_at_the_door_and_another_one_is_let_in(
    address: str, browser: Browser
) -> None:
    ada, other = await browser.open(address), await browser.open(address)
    await enter(ada, "Ada")
    await other.type("#nick", "ada")
    await other.press_enter()
    await other.until("document.querySelector('#refusal').textContent !== ''")
    assert await other.texts("#refusal") == ["somebody in lobby is called ada already"]
    await enter(other, "Grace")
    await ada.until("document.querySelectorAll('#members li').length === 2")


async def test_the_page_fits_a_phone(address: str, browser: Browser) -> None:
    page = await browser.open(address, width=360, height=640)
    await enter(page, "Ada")
    await say(page, "A message that is much longer than the screen of a phone is wide, with a" + "n" * 80 + " end")
    await page.until(f"document.querySelectorAll('{POSTS}').length === 1")
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    assert await page.evaluate("document.documentElement.scrollHeight") == 640
    for selector in "#kill", "#text", "#compose button", "#status":
        box = await page.evaluate(f"document.querySelector('{selector}').getBoundingClientRect().toJSON()")
        assert box["left"] >= 0, selector
        assert box["right"] <= 360, selector
        assert box["bottom"] <= 640, selector


async def picture(phone: bool) -> bytes:
    """A conversation, and a room that was killed in it."""
    async with web.serving(make_app(), port=0) as address, browsing() as browser:
        pages = {nick: await browser.open(address) for nick in ("Ada", "Bob", "Grace")}
        ada = pages["Ada"]

        async def talk(*said: tuple[str, str]) -> None:
            for nick, text in said:
                await say(pages[nick], text)
                await reads(ada, text)

        for nick, page in pages.items():
            await enter(page, nick)
        await talk(("Grace", "What happens if I press the red button?"), ("Bob", "Try it. I dare you."))
        await pages["Grace"].click("#kill")
        for page in pages.values():
            await page.until("document.querySelector('#status').textContent === 'running, restart 1'")
        await talk(("Ada", "And we are back, with every word."), ("Grace", "The supervisor started it again."))
        await (ada.resize(390, 700, scale=2.0) if phone else ada.resize(860, 560, scale=1.5))
        await ada.evaluate("new Promise(requestAnimationFrame)")
        return await ada.picture()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_bytes(asyncio.run(picture("phone" in target.stem)))
