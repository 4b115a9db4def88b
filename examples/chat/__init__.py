"""A web chat of actors: one for each room, one for each person. `python -m examples.chat` serves it."""
