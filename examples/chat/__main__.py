"""Serve the chat on this computer: `python -m examples.chat [--port 8080]`. Ctrl-C or SIGTERM ends it in order."""

from __future__ import annotations

import argparse

from actorpar import web

from .app import make_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.chat", description="A web chat of actors.")
    parser.add_argument("--port", type=int, default=8080, help="0: any that is free; default %(default)s")
    options = parser.parse_args()
    web.serve(make_app(), port=options.port, ready=lambda address: print(f"the chat is at {address}", flush=True))


if __name__ == "__main__":
    main()
