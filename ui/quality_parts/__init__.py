"""The parts of the page about quality, one file each."""
