"""Exact conversion of units, for the calculator."""
