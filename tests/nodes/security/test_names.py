"""A3 between nodes: who has a certificate of our authority is believed no other name than that in it."""

from __future__ import annotations

import pytest

from actorpar.nodes.errors import HandshakeRefused
from actorpar.nodes.node import Node
from tests.nodes.loops import on_both_loops
from tests.nodes.security.credentials import Safe


@on_both_loops
async def test_a3_who_dials_under_the_name_of_another_node_is_refused(safe: Safe) -> None:
    async with Node("alpha", credentials=safe.certificates("ours/alpha")) as alpha:
        await alpha.listen("tcp://127.0.0.1:0")
        async with Node("gamma", credentials=safe.certificates("ours/beta")) as pretender:
            with pytest.raises(HandshakeRefused) as refused:
                await pretender.connect(alpha.addresses[0])
            assert refused.value.code == "auth"
        assert not alpha.links
        assert alpha.counters["refused: auth"] == 1


@on_both_loops
async def test_a3_who_is_dialed_and_gives_the_name_of_another_node_is_refused(safe: Safe) -> None:
    async with Node("gamma", credentials=safe.certificates("ours/alpha")) as pretender:
        await pretender.listen("tcp://127.0.0.1:0")
        async with Node("beta", credentials=safe.certificates("ours/beta")) as beta:
            with pytest.raises(HandshakeRefused, match="says it is gamma, and its certificate is for alpha"):
                await beta.connect(pretender.addresses[0])
            assert not beta.links


@on_both_loops
async def test_a3_the_id_of_another_node_helps_nobody_under_their_own_name(safe: Safe) -> None:
    async with Node("alpha", credentials=safe.certificates("ours/alpha")) as alpha:
        await alpha.listen("tcp://127.0.0.1:0")
        async with Node("beta", credentials=safe.certificates("ours/beta")) as beta:
            link = await beta.connect(alpha.addresses[0])
            async with Node("alpha", credentials=safe.certificates("ours/alpha")) as thief:
                thief.id, thief.incarnation = beta.id, beta.incarnation + 1
                with pytest.raises(HandshakeRefused) as refused:
                    await thief.connect(alpha.addresses[0])
                assert refused.value.code == "auth"
            assert not link.is_down
            assert beta.id in alpha.links
