"""The suite's own generator: every contestant and every repeat draws the same numbers."""


class PseudoRandom:
    """A linear congruential generator of 16 bits; its quality matters to nobody here."""

    __slots__ = ("_value",)

    def __init__(self, seed: int) -> None:
        self._value = seed

    def below(self, bound: int) -> int:
        """The next number in 0 … bound - 1."""
        self._value = value = (self._value * 1309 + 13849) & 0xFFFF
        return value % bound
