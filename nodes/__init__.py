"""Nodes and the links between them: the same channels across processes and hosts. Nothing is here yet."""

if __name__ != "actorpar.nodes":
    raise ImportError(
        f"this package is imported as actorpar.nodes, not as {__name__!r}: under another name its classes would "
        "exist twice; write `from actorpar.nodes import …`"
    )
