"""The parts of the arena's page."""
