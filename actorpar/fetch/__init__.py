"""`actorpar fetch`: files over HTTP through processes and bounded channels (docs/fetch.md).

The command is `actorpar.fetch.command`; nothing else is imported before it is chosen.
"""
