"""Ends of channels whose other end is on another node."""
