"""Asking actors from aiohttp handlers: what answers, what each error becomes, and what a client that leaves does."""

from __future__ import annotations

import asyncio
import logging
import sys
import types

import aiohttp
import pytest
from aiohttp import web as http

import actorpar as ap
from actorpar import web

from .shop import Shop, SoldOut, SoldOutForGood, asks, serves, shop_of


async def get(app: http.Application, path: str = "/") -> tuple[int, str, str | None]:
    """Serve the application, get one page: its status, its text, and when to try again."""
    async with web.serving(app, port=0) as address, aiohttp.ClientSession() as client:
        async with client.get(address + path) as answer:
            return answer.status, await answer.text(), answer.headers.get("Retry-After")


async def test_a_handler_asks_an_actor_of_the_system() -> None:
    assert await get(asks(lambda shop: shop.ask(Shop.buy, "loaf"))) == (200, "one loaf", None)


async def test_an_application_within_another_shares_its_system() -> None:
    app = asks(lambda shop: shop.ask(Shop.buy, "loaf"))
    inner = http.Application()

    async def handler(request: http.Request) -> http.Response:
        return http.Response(text=await shop_of(request).ask(Shop.fail, SoldOut("no rolls")))

    inner.router.add_get("/rolls", handler)
    app.add_subapp("/inner", inner)
    assert await get(app, "/inner/rolls") == (400, "no rolls\n", None)


def test_an_application_without_a_system_is_told_what_to_call() -> None:
    with pytest.raises(LookupError, match=r"web\.attach\(app\)"):
        web.system(http.Application())


async def test_the_system_starts_before_the_start_callbacks_and_stops_after_the_cleanup_ones() -> None:
    app = asks(lambda shop: shop.ask(Shop.buy, "loaf"))
    seen = []

    async def look(app: http.Application) -> None:
        shop = web.system(app).find("shop", Shop)
        assert shop is not None
        seen.append(await shop.ask(Shop.buy, "last"))

    app.on_shutdown.append(look)
    system = web.system(app)
    await get(app)
    assert seen == ["one last"]
    assert system.find("shop", Shop) is None


async def test_a_full_mailbox_answers_503_with_retry_after() -> None:
    gate = asyncio.Event()

    async def ask(shop: ap.ActorRef[Shop]) -> str:
        shop.tell(Shop.wait, gate)
        await asyncio.sleep(0)
        assert shop.tell(Shop.deliver)
        try:
            return await shop.ask(Shop.buy, "loaf")
        finally:
            gate.set()

    assert await get(asks(ask)) == (503, "busy, try again\n", "1")


async def test_a_dead_actor_answers_503_with_retry_after() -> None:
    async def handler(request: http.Request) -> http.Response:
        shop = shop_of(request)
        web.system(request).kill(shop)
        return http.Response(text=await shop.ask(Shop.buy, "loaf"))

    assert await get(serves(handler)) == (503, "busy, try again\n", "1")


async def test_an_answer_that_comes_too_late_is_a_504() -> None:
    assert await get(asks(lambda shop: shop.within(0.01).ask(Shop.order))) == (504, "no answer in time\n", None)


@pytest.mark.parametrize(
    ("error", "status"), [(ap.Reject("no"), 400), (SoldOut("no"), 404), (SoldOutForGood("no"), 404)]
)
async def test_a_rejection_answers_400_or_the_status_of_its_nearest_class(error: ap.Reject, status: int) -> None:
    app = asks(lambda shop: shop.ask(Shop.fail, error), rejects={SoldOut: 404})
    assert await get(app) == (status, "no\n", None)


async def test_a_handler_that_failed_is_a_500_as_any_failure(caplog: pytest.LogCaptureFixture) -> None:
    status, text, _ = await get(asks(lambda shop: shop.ask(Shop.fail, LookupError("secret"))))
    assert status == 500
    assert "secret" not in text
    assert "HandlerFailed" in caplog.text


async def test_a_client_that_leaves_withdraws_its_ask() -> None:
    app = asks(lambda shop: shop.within(None).ask(Shop.order))
    async with web.serving(app, port=0) as address:
        shop = web.system(app).find("shop", Shop)
        assert shop is not None
        inside: Shop = shop.actor  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        async with aiohttp.ClientSession() as client:
            page = asyncio.create_task(client.get(address))
            async with asyncio.timeout(10):
                await inside.asked.wait()
            assert inside.waiting[0].pending
            page.cancel()
        async with asyncio.timeout(10):
            await inside.withdrawn.wait()
        assert not inside.waiting[0].pending


async def test_healthz_and_readyz_answer_200_while_the_system_runs() -> None:
    app = asks(lambda shop: shop.ask(Shop.buy, "loaf"))
    async with web.serving(app, port=0) as address, aiohttp.ClientSession() as client:
        for path, text in ("/healthz", "ok\n"), ("/readyz", "ready\n"):
            async with client.get(address + path) as answer:
                assert (answer.status, await answer.text()) == (200, text)


async def test_metrics_are_what_the_system_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    app = asks(lambda shop: shop.ask(Shop.buy, "loaf"))
    metrics = types.ModuleType("actorpar.observe.metrics")
    metrics.exposition = lambda system: f"actors {len(system.actors)}\n".encode()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, metrics.__name__, metrics)
    async with web.serving(app, port=0) as address, aiohttp.ClientSession() as client:
        async with client.get(address + "/metrics") as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert await answer.text() == "actors 1\n"


async def test_a_process_of_the_system_that_fails_ends_the_server_with_what_it_raised() -> None:
    async def fail() -> None:
        raise LookupError("no flour")

    async def handler(request: http.Request) -> http.Response:
        await web.system(request).spawn(fail)
        return http.Response(text="spawned")

    async def serve() -> None:
        async with web.serving(serves(handler), port=0) as address, aiohttp.ClientSession() as client:
            async with client.get(address):
                await asyncio.get_running_loop().create_future()

    with pytest.raises(LookupError, match="no flour"):
        await serve()


async def test_what_an_application_raises_at_its_start_is_raised_and_the_system_stopped() -> None:
    app = asks(lambda shop: shop.ask(Shop.buy, "loaf"))

    async def fail(app: http.Application) -> None:
        raise LookupError("no flour")

    app.on_startup.append(fail)
    system = web.system(app)
    with pytest.raises(LookupError, match="no flour"):
        async with web.serving(app, port=0):
            pytest.fail("it started")
    assert system.find("shop", Shop) is None


async def test_a_busy_answer_is_logged_with_its_reason_for_the_operator(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "actorpar.web")
    await get(asks(lambda shop: shop.within(0.01).ask(Shop.order)))
    assert "GET /: 504, shop did not answer" in caplog.text
