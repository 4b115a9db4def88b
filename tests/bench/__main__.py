"""`python -m tests.bench`: the same command as `actorpar bench`, from the checkout."""

import argparse

from actorpar.bench import add_arguments

from .command import run

parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
add_arguments(parser)
raise SystemExit(run(parser.parse_args()))
