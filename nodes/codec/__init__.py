"""Typed MessagePack: values of a declared type to bytes and back, validated."""
