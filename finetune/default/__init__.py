"""The default adapter: our own examples, the public ones, and the mix of both."""
