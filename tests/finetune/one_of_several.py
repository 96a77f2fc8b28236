"""`python -m tests.finetune.one_of_several OUT`: a short run, in each process that a launcher starts."""

import sys
from pathlib import Path

from finetune.recipes import build, carry_out
from tests.finetune.runner import OPTIONS
from tests.finetune.tiny_base import job

if __name__ == "__main__":
    carry_out(build("lora", job(Path(sys.argv[1])), OPTIONS | {"steps": 4, "dev_every": 2}))
