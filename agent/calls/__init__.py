"""Tool calls: which are offered, which may run, what they came to, and who decided so."""
