"""The CSP core: typed channels, select and processes. Imports the standard library only."""

if __name__ != "actorpar.channels":
    raise ImportError(
        f"this package is imported as actorpar.channels, not as {__name__!r}: under another name its classes would "
        "exist twice; write `from actorpar.channels import …`, or simply `import actorpar as ap`"
    )
