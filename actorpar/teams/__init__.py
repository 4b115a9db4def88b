"""Teams: actors and processes that call collectives together, and topologies whose neighbours are channel ends."""
