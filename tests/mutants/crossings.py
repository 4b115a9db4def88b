"""Bugs in what crosses loops, threads and owners, and in the statistics (CH-35, CH-59 to CH-63)."""

from __future__ import annotations

from .mutant import BASE, PROCESS, SENDER, THREADS, WAITGRAPH, Mutant

CROSSINGS = [
    Mutant(
        "CH-59",
        BASE,
        "another loop is not noticed",
        "        elif loop is not None or owner.is_running():",
        "        elif owner is None:",
    ),
    Mutant(
        "CH-59",
        SENDER,
        "another thread is not noticed while a process runs",
        "        if not core.queue.fuel or thread_id() != core.queue.thread:",
        "        if not core.queue.fuel:",
    ),
    Mutant("CH-59", THREADS, "every item is a wake-up of its own", "            self._signalled = True\n", ""),
    Mutant(
        "CH-35",
        THREADS,
        "a thread's items are turned round",
        "        inbox.append(item)\n",
        "        inbox.appendleft(item)\n",
    ),
    Mutant(
        "CH-35",
        THREADS,
        "closing forgets what is on its way",
        "            return  # the drain closes the end when the inbox is empty\n",
        "            self._inbox.clear()\n",
    ),
    Mutant(
        "CH-60",
        BASE,
        "the peak of a batch is not seen",
        "        self.buffer.extend(items)\n        if len(self.buffer) > self.peak:\n",
        "        self.buffer.extend(items)\n        if not self.buffer:\n",
    ),
    Mutant("CH-60", BASE, "what is dropped is not counted", "            self.dropped += 1\n", ""),
    Mutant(
        "CH-60",
        BASE,
        "senders are counted as receivers",
        "len(self.buffer), self.sender_count, self.receiver_count,",
        "len(self.buffer), self.receiver_count, self.sender_count,",
    ),
    Mutant(
        "CH-63",
        PROCESS,
        "the ends of a process that failed are closed as if on purpose",
        "            end.lose(failure)",
        "            end.close()",
    ),
    Mutant(
        "CH-61",
        WAITGRAPH,
        "a loop that is stuck says nothing",
        "not queue.ready and is_stuck",
        "queue.ready and is_stuck",
    ),
]
