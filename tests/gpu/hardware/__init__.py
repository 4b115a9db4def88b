"""Figures of a GPU: `python -m tests.gpu.hardware --out FILE.json` measures all that is promised of one, in minutes.

    bed         the device, the kernels, and how contestants are timed in turn
    waits       a launch and the wait for it; what the loop does meanwhile
    moves       copies, copies beside kernels, arrays that are handed over
    faults      a kernel that faults, and how soon its actor is back; `faulting` is the program that has it
    figures     what was promised, what was reached, and both as a table and as JSON
    sanitized   a small program to run under compute-sanitizer
    run.sh      all of it, with the tests that are marked `gpu`

Over the fake driver it runs with --small, which shows that it works; the file says "fake", and has no figure of a GPU.
"""
