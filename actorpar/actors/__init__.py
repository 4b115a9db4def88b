"""Actors: mailboxes, asks, life and death, supervision. `import actorpar as ap` has every public name."""
