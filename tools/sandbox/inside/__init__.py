"""What runs inside the sandbox: copied there as files, with the standard library of any Python 3.9 and nothing else."""
