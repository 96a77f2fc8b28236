"""Runs Python programs that nobody vouches for: confined, bounded, and not at all where neither tier works."""
