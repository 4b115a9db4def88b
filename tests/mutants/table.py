"""All planted bugs."""

from __future__ import annotations

from .across import ACROSS
from .actors import ACTORS
from .choices import CHOICES
from .crossings import CROSSINGS
from .devices import DEVICES
from .endings import ENDINGS
from .ends_away import ENDS_AWAY
from .flow import FLOW
from .links import LINKS
from .membership import MEMBERSHIPS
from .memory import MEMORY
from .mutant import Mutant
from .restarting import RESTARTING
from .supervision import SUPERVISION
from .teams import TEAMS

MUTANTS: list[Mutant] = [
    *FLOW,
    *ENDINGS,
    *CHOICES,
    *CROSSINGS,
    *ACTORS,
    *SUPERVISION,
    *RESTARTING,
    *ENDS_AWAY,
    *LINKS,
    *MEMORY,
    *MEMBERSHIPS,
    *ACROSS,
    *TEAMS,
    *DEVICES,
]
