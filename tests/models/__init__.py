"""Exhaustive search of small worlds, driving the shipped channels and run queue."""
