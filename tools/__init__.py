"""What the agent may do: one file per tool, one registry that knows their risk."""
