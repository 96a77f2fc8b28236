"""The parts of the chat page, one file each."""
