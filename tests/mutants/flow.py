"""Bugs in how items flow: capacity, order, waiting, waking, overflow (CH-1 to CH-19)."""

from __future__ import annotations

from .mutant import BASE, BOUNDED, LOSSY, OPENING, RECEIVER, RENDEZVOUS, SENDER, WAITERS, Mutant

FLOW = [
    Mutant("CH-01", OPENING, "True is taken for a capacity", " or isinstance(capacity, bool)", ""),
    Mutant("CH-01", OPENING, "a negative capacity is taken", "    if capacity < 0:\n", "    if capacity < -9:\n"),
    Mutant(
        "CH-02",
        BOUNDED,
        "one place too many",
        "        if length < self.limit:\n",
        "        if length <= self.limit:\n",
    ),
    Mutant(
        "CH-03",
        BOUNDED,
        "a reserved item is given away",
        "        if len(self.buffer) > self.held:\n            item =",
        "        if self.buffer:\n            item =",
    ),
    Mutant(
        "CH-03",
        RENDEZVOUS,
        "a reserved item is given away",
        "        if len(self.buffer) > self.held:\n            return",
        "        if self.buffer:\n            return",
    ),
    Mutant(
        "CH-04",
        RENDEZVOUS,
        "a send returns although nobody receives",
        "        self.sender_queue()\n        return False\n",
        "        self.put(item)\n        return True\n",
    ),
    Mutant(
        "CH-05",
        BOUNDED,
        "last in, first out",
        "            item = self.buffer.popleft()",
        "            item = self.buffer.pop()",
    ),
    Mutant(
        "CH-06",
        SENDER,
        "the last sender to come is served first",
        "        core.senders.append(waiter)",
        "        core.senders.appendleft(waiter)",
    ),
    Mutant(
        "CH-06",
        RECEIVER,
        "the last receiver to come is served first",
        "        core.receivers.append(waiter)",
        "        core.receivers.appendleft(waiter)",
    ),
    Mutant(
        "CH-07",
        RECEIVER,
        "a process takes an item that is reserved for another",
        "        if fuel and len(buffer) > core.held:\n            queue.fuel = fuel - 1\n"
        "            item: T_co = buffer.popleft()\n            if core.senders:\n                core.slot_freed()\n"
        "            return item\n        if not fuel",
        "        if fuel and buffer:\n            queue.fuel = fuel - 1\n"
        "            item: T_co = buffer.popleft()\n            if core.senders:\n                core.slot_freed()\n"
        "            return item\n        if not fuel",
    ),
    Mutant(
        "CH-07",
        BOUNDED,
        "the slot of a woken sender is not reserved",
        "wake(self.senders, GRANTED):\n            self.limit -= 1",
        "wake(self.senders, GRANTED):\n            self.limit -= 0",
    ),
    Mutant(
        "CH-08",
        BOUNDED,
        "a batch that frees several slots wakes one sender",
        "        while len(self.buffer) < self.limit and wake",
        "        if len(self.buffer) < self.limit and wake",
    ),
    Mutant(
        "CH-08",
        BASE,
        "a batch of items wakes one receiver",
        "        while self.receivers and len(self.buffer) > self.held",
        "        if self.receivers and len(self.buffer) > self.held",
    ),
    Mutant(
        "CH-08",
        WAITERS,
        "ending the channel wakes one waiter",
        "    while wake(queue, outcome) is not None:\n        pass",
        "    wake(queue, outcome)",
    ),
    Mutant(
        "CH-09",
        BOUNDED,
        "the item of a woken receiver is not reserved",
        "                self.held += 1\n            return True",
        "                self.held += 0\n            return True",
    ),
    Mutant(
        "CH-10",
        BOUNDED,
        "the slot of a cancelled woken sender is lost",
        "        if waiter.state == GRANTED:\n            self.release_slot()\n",
        "        if waiter.state == GRANTED:\n",
    ),
    Mutant(
        "CH-10",
        BASE,
        "the item of a cancelled woken receiver is not passed on",
        "            if wake(self.receivers, GRANTED):\n                self.held += 1\n\n    def wake_drained",
        "\n    def wake_drained",
    ),
    Mutant(
        "CH-10",
        BASE,
        "the item of a cancelled woken receiver stays reserved",
        "            self.held -= 1\n            if wake",
        "            if wake",
    ),
    Mutant(
        "CH-12",
        RENDEZVOUS,
        "a waiting sender goes before the surplus",
        "        if len(self.buffer) > self.held:\n            return self.buffer.popleft()\n        if self",
        "        if self",
    ),
    Mutant(
        "CH-13",
        BOUNDED,
        "an item taken by a task wakes no sender",
        "            if self.senders:\n                self.slot_freed()\n            return item",
        "            return item",
    ),
    Mutant("CH-14", BASE, "the codec is not used", " if env.codec is None else CodecBuffer(env.codec)", ""),
    Mutant(
        "CH-15",
        RECEIVER,
        "None is taken for nothing",
        "            if item is not NOTHING:",
        "            if item is not NOTHING and item is not None:",
    ),
    Mutant(
        "CH-16",
        BASE,
        "on_undelivered runs before the waiters are woken",
        "        wake_all(self.senders, ENDED)\n        wake_all(self.receivers, ENDED)\n        self.undelivered",
        "        self.undelivered(items)\n        items = ()\n        wake_all(self.senders, ENDED)\n"
        "        wake_all(self.receivers, ENDED)\n        self.undelivered",
    ),
    Mutant(
        "CH-16",
        BASE,
        "what on_undelivered raises comes out of close",
        "                except BaseException as error:",
        "                except KeyError as error:",
    ),
    Mutant(
        "CH-17",
        SENDER,
        "a send that completes at once spends nothing",
        "        if fuel and length < core.limit:\n            queue.fuel = fuel - 1\n",
        "        if fuel and length < core.limit:\n",
    ),
    Mutant(
        "CH-19",
        LOSSY,
        "drop_old drops the youngest",
        "        oldest = self.buffer.popleft()",
        "        oldest = self.buffer.pop()",
    ),
    Mutant(
        "CH-18", BASE, "who has used up its budget goes on", "        return queue.is_spent()", "        return False"
    ),
    Mutant("CH-19", LOSSY, "drop_new does not tell what it dropped", "            self.undelivered((item,))\n", ""),
    Mutant("CH-19", LOSSY, "reject drops", 'if self.policy == "reject":', 'if self.policy == "rejects":'),
]
