"""Actors and processes on other nodes: spawned there, referred to, watched from here."""
