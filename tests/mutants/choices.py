"""Bugs in select, timers, permits and batches (CH-34 to CH-58)."""

from __future__ import annotations

from .mutant import BASE, BOUNDED, PERMIT, RECEIVER, RENDEZVOUS, SELECT, SENDER, TIMER, WAITERS, Mutant

CHOICES = [
    Mutant(
        "CH-38",
        SELECT,
        "a selector begins with the same guard each time",
        "            self._first = first + 1 if first + 1 < len(order) else 0",
        "            self._first = 0",
    ),
    Mutant(
        "CH-37", SELECT, "priority is ignored", "    if not priority:\n        first =", "    if True:\n        first ="
    ),
    Mutant(
        "CH-41",
        SELECT,
        "a deadline goes before a guard that is ready",
        "            deadlines = True\n            continue\n",
        "            deadlines = True\n",
    ),
    Mutant(
        "CH-42",
        SELECT,
        "skip_closed does not skip",
        "            if not skip_closed:\n                raise\n            ended = True",
        "            raise\n            ended = True",
    ),
    Mutant(
        "CH-44",
        SELECT,
        "a select with nothing to wait for waits",
        "    if not enabled and not deadlines:",
        "    if not enabled and ended:",
    ),
    Mutant(
        "CH-48",
        SELECT,
        "the losers stay in their queues",
        "            if core is not None and waiter is not winner:",
        "            if core is None and waiter is not winner:",
    ),
    Mutant(
        "CH-51",
        TIMER,
        "ticks drift",
        "        self.due += self.period * (1 + (now - self.due) // self.period)",
        "        self.due = now + self.period",
    ),
    Mutant("CH-51", TIMER, "a deadline comes too early", ">= self.due else NOTHING", ">= self.due - 0.5 else NOTHING"),
    Mutant(
        "CH-51",
        TIMER,
        "a deadline wakes one receiver of several",
        "        wake_all(self.receivers, GRANTED)",
        "        wake(self.receivers, GRANTED)",
    ),
    Mutant(
        "CH-55",
        PERMIT,
        "a permit that is not used keeps its place",
        "            self._core.forfeit(token)",
        "            pass",
    ),
    Mutant(
        "CH-55",
        PERMIT,
        "a permit sends twice",
        "        token, self._token = self._token, None\n        self._core.redeem",
        "        token = self._token\n        self._core.redeem",
    ),
    Mutant(
        "CH-55",
        BOUNDED,
        "a place is promised and not reserved",
        "        if len(self.buffer) < self.limit:\n            self.limit -= 1\n",
        "        if len(self.buffer) < self.limit:\n",
    ),
    Mutant(
        "CH-55",
        RENDEZVOUS,
        "a permit takes a receiver that others may take, too",
        "            self.claimed.append(self.receivers.popleft())",
        "            self.claimed.append(receiver)",
    ),
    Mutant(
        "CH-56",
        SENDER,
        "an item that was taken just before the cancellation is sent again",
        "                if waiter.state == DONE:\n                    rest.popleft()\n",
        "",
    ),
    Mutant(
        "CH-56",
        SENDER,
        "the unsent rest is not told",
        "            error.item, error.items = rest[0], tuple(rest)\n",
        "",
    ),
    Mutant(
        "CH-56",
        RECEIVER,
        "a batch takes what is reserved for others",
        "min(len(core.buffer) - core.held, most - 1)",
        "min(len(core.buffer), most - 1)",
    ),
    Mutant(
        "CH-57",
        RECEIVER,
        "async for takes one item too many",
        "            return await self.receive()\n",
        "            return (await self.receive_many(2))[0]\n",
    ),
    Mutant(
        "CH-34",
        WAITERS,
        "a guard of a select that has chosen another is chosen, too",
        "or not self.choice.commit(self, outcome):",
        "or (self.choice.commit(self, outcome) and False):",
    ),
    Mutant(
        "CH-37", SELECT, "a Selector ignores priority", "        if not self._priority and order:", "        if order:"
    ),
    Mutant(
        "CH-40",
        SELECT,
        "default is taken although a guard is ready",
        "    enabled = deadlines = ended = False\n",
        "    enabled = deadlines = ended = False\n    if default is not None:\n        return default, None\n",
    ),
    Mutant(
        "CH-43",
        SELECT,
        "a masked guard is chosen",
        "        if not guard.when:\n            continue\n        core",
        "        core",
    ),
    Mutant(
        "CH-47",
        SELECT,
        "a cancelled select keeps what it was promised",
        "its waiter serves the next wait: no claim may find it live\n                self._leave(None)\n",
        "its waiter serves the next wait: no claim may find it live\n",
    ),
    Mutant(
        "CH-48",
        BASE,
        "tombstones are never swept out",
        "        if 2 * self.buried > len(queue):",
        "        if self.buried < 0:",
    ),
    Mutant(
        "CH-52",
        BASE,
        "a receive that is cancelled when it was woken takes its item along",
        "            self.release_item()\n            waiter.state = IDLE",
        "            self.held -= 1\n            self.buffer.popleft()\n            waiter.state = IDLE",
    ),
    Mutant(
        "CH-53",
        BOUNDED,
        "a send that is cancelled when it was woken sends",
        "            self.release_slot()\n            waiter.state = IDLE",
        "            self.limit += 1\n            self.buffer.append(waiter.item)\n            waiter.state = IDLE",
    ),
    Mutant(
        "CH-54",
        RENDEZVOUS,
        "an item that was taken just before the cancellation comes twice",
        "            if waiter.state == GRANTED:\n                self.forfeit(waiter.item)\n",
        "            if waiter.state == GRANTED:\n                self.forfeit(waiter.item)\n"
        "            elif waiter.state == DONE:\n                self.put(waiter.item)\n",
    ),
    Mutant(
        "CH-58",
        SENDER,
        "a cancelled send returns as if it were done",
        "            core.leave_send(waiter)\n            raise\n        self",
        "            core.leave_send(waiter)\n            return\n        self",
    ),
]
