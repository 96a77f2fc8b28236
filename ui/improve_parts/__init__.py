"""The parts of the page about training, one file each."""
