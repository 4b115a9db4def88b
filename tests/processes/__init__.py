"""Processes, groups, systems and the run queue below them."""
