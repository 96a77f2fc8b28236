"""Every benchmark, one after the other: `python -m benchmarks [NAME …] [--home FOLDER]`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

# Those that need the documents share one home, so that they are indexed once.
NEED_DOCUMENTS = {"startup": True, "turns": True, "docs_questions": True, "followups": True, "checkpoints": True}
NAMES = NEED_DOCUMENTS | {
    "threads_neighbour": False,
    "freshness": False,
    "kills": False,
    "index_kills": False,
    "growth": False,
    "groundedness": False,
    "calibrate_relevance": False,
    "chunking": False,
    "heading_context": False,
    "sandbox": False,
    "tool_choice": False,
    "pages": False,
    "conversion": False,
    "improve_loop": False,
    "training_kills": False,
    "bad_candidates": False,
    "training_speed": False,
}


def main() -> int:
    """Run what is named, or everything; the worst exit code is ours."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(NAMES)}; default: all")
    parser.add_argument("--home", type=Path, help="keep the index here; default: a temporary folder")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in NAMES]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    worst = 0
    with tempfile.TemporaryDirectory(prefix="ratchet-benchmarks-") as temporary:
        for name in given.names or NAMES:
            print(f"\n## {name}\n", flush=True)
            command = [sys.executable, "-m", f"benchmarks.{name}"]
            if NAMES[name]:
                command += ["--home", str(given.home or temporary)]
            worst = max(worst, subprocess.run(command, check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
