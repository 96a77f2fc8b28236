"""What the exit status of `ratchet` means; errors carry theirs as `RatchetError.exit_code`."""

OK = 0
OTHER = 1
USAGE = 2
MISSING = 3
MODEL = 4
DATABASE = 5
WAITING = 6
INTERRUPTED = 130

# "\b" keeps the lines of a paragraph as they stand.
EPILOG = """\b
Exit codes:
  0    done
  1    any other error; nothing was done, or a check failed
  2    wrong usage, setting or question
  3    not there: a file, folder, index, thread or turn
  4    the model cannot be used or did not answer
  5    the database is locked, read-only or damaged
  6    a tool call waits for your approval: `ratchet approvals`
  130  interrupted with Ctrl-C
"""


def examples(*lines: str) -> str:
    """The epilog of a command's help: its examples, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
