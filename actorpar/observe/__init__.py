"""Seeing a running system: what each actor does, who waits for whom, metrics, spans, and what `actorpar top` shows."""
