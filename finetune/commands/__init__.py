"""Commands, one file for each kind; those of `ratchet improve` and `python -m finetune` are the same."""
