"""Front ends: they show events and know no graph."""
