"""The training loop that all recipes share, from examples to packed rows to checkpoints."""
