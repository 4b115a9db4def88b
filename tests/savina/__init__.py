"""Savina: the actor benchmark suite, the ten programs of it that tell most about a runtime, and fib.

    messaging    pingpong (by tell, and by ask), threadring, count
    forkjoin     fjcreate, fjthrput, fib
    crowds       big, chameneos
    buffering    bndbuffer
    banking      banking, with a stash and without
    sorting      radixsort
    twins        the same programs as CSP processes, where they have a natural form

Each program is written once: the tests run it small and know its exact result, `tests/bench/savina.py` runs it large.
The computations that the suite lets its messages make are left out, so that what is measured is the runtime.
Where a protocol bounds what is on its way, programs `tell`; a flood is sent by `send`, which waits for room.

S. Imam, V. Sarkar: Savina, an actor benchmark suite. AGERE 2014.
"""
