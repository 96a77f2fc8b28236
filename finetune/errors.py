"""Every error of training, in one place.

RatchetError
└── FinetuneError
    ├── DatasetError             data that nothing can be learned from, or that cannot be read
    ├── BaseMismatch             an adapter or checkpoint of another base model
    ├── AdapterInvalid           a file that is not an adapter, or not a safe one
    ├── AdapterMissing           no such adapter in the registry
    ├── RecipeError              a recipe's options are unknown, contradictory or not possible here
    ├── TrainingDiverged         the loss is no longer a number
    ├── EvaluationError          items that cannot be put, or results that do not belong together
    ├── GateRefused              a candidate was not promoted
    ├── ExportError              a conversion failed, or its check did
    ├── TooLittleFeedback        nothing could be learned or proved from what there is
    └── ImproveBusy              another run of the loop is at work
"""  # noqa: D208 - the indentation draws the tree

from agent.errors import RatchetError


def refusal_of(error: Exception) -> str:
    """Why the disk refused a write, in the system's words; safetensors has an error of its own around them."""
    return str(getattr(error, "strerror", None) or error)


class FinetuneError(RatchetError):
    """Something about training, evaluating or serving an adapter."""


class DatasetError(FinetuneError):
    """Data that nothing can be learned from, or that cannot be read."""

    exit_code = 2


class BaseMismatch(FinetuneError):
    """An adapter or checkpoint belongs to another base model."""

    exit_code = 4


class AdapterInvalid(FinetuneError):
    """A file that is not an adapter, or not a safe one."""

    exit_code = 4


class AdapterMissing(FinetuneError):
    """No such adapter in the registry."""

    exit_code = 3


class RecipeError(FinetuneError):
    """A recipe's options are unknown, contradictory, or not possible on this machine."""

    exit_code = 2


class TrainingDiverged(FinetuneError):
    """The loss is no longer a number."""


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM during training, which has ended in order: no error, but told in the same three sentences.

    Whoever does not know of it sees the KeyboardInterrupt that it is.
    """

    def __init__(self, what: str, *, kept: str, fix: str) -> None:
        super().__init__(" ".join((what, kept, fix)))
        self.what = what
        self.kept = kept
        self.fix = fix


class TrainingPruned(Exception):
    """Raised by `on_progress` to end a run that is not worth its time; the loop closes its files first."""


class EvaluationError(FinetuneError):
    """Items that cannot be put to a model, or results that do not belong together."""


class GateRefused(FinetuneError):
    """A candidate was not promoted; the reasons are in the verdict."""


class ExportError(FinetuneError):
    """A conversion failed, or the check after it."""


class TooLittleFeedback(FinetuneError):
    """Nothing could be learned, or proved, from what there is."""


class ImproveBusy(FinetuneError):
    """Another run of the loop is at work."""
