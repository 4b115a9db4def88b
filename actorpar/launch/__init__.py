"""Start a program on one node or many: `actorpar run`, `actorpar node`."""
