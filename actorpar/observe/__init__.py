"""Seeing a running system: what each actor does, who waits for whom, metrics, spans, and the control socket of `top`."""
