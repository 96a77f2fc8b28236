"""One library's training run: `python training_peer.py NAME JOB`, with what to do in the file JOB (JSON).

Each trains LoRA of the same shape on the same model and sequences, once over the data, in 32-bit floats, and says on
its last line, in JSON, how long the training itself took (imports, loading and tokenizing left out) and how much memory
the process had at its peak. All but "ratchet" run in an environment without this project, and import nothing of it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = dict[str, Any]


def ratchet(job: Job) -> dict[str, float]:
    """Our recipe `lora`, from the examples themselves."""
    from finetune.dataset.example_files import read_splits
    from finetune.recipes import build
    from finetune.training.installed import share_cores
    from finetune.training.job import Job as Training

    share_cores()  # as `python -m finetune train` does
    options = {
        "rank": job["rank"],
        "alpha": job["alpha"],
        "learning_rate": job["learning_rate"],
        "step_targets": job["step_targets"],
        "pack_tokens": job["row"],
        "threads": job["threads"],
        "precision": "fp32",
        "dev_every": 0,
        "checkpoint_seconds": 1e6,
    }
    recipe = build("lora", Training(read_splits(Path(job["examples"])), Path(job["out"]), Path(job["gguf"])), options)
    recipe.setup()
    began = time.perf_counter()
    outcome = recipe.train()
    return {"seconds": time.perf_counter() - began, "steps": outcome.steps, "loss": outcome.loss}


def trainer(job: Job) -> dict[str, float]:
    """Hugging Face's Trainer over a PEFT model; batches are padded to their longest sequence."""
    from peft import get_peft_model
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    model, tokenizer = _loaded(job)
    arguments = TrainingArguments(**_arguments(job), **_batches(job))
    return _trained(
        Trainer(
            model=get_peft_model(model, _lora(job)),
            args=arguments,
            train_dataset=_sequences(job),
            data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100),
            processing_class=tokenizer,
        )
    )


def trl_grouped(job: Job) -> dict[str, float]:
    """TRL's SFTTrainer with batches of sequences of like length, so that little is padded."""
    return _trl(job, {"max_length": None, "train_sampling_strategy": "group_by_length", **_batches(job)})


def trl_packed(job: Job) -> dict[str, float]:
    """TRL's SFTTrainer with sequences packed into rows (best-fit decreasing), which also needs no padding."""
    lengths = [len(one["input_ids"]) for one in _sequences(job)]
    row = max(job["row"], *lengths)
    rows_a_step = max(1, round(job["batch"] * sum(lengths) / len(lengths) / row))
    rows = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": rows_a_step}
    return _trl(job, {"max_length": row, "packing": True, **rows})


def _trl(job: Job, options: dict[str, Any]) -> dict[str, float]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    model, tokenizer = _loaded(job)
    return _trained(
        SFTTrainer(
            model=model,
            args=SFTConfig(**_arguments(job), **options),
            train_dataset=Dataset.from_list(_sequences(job)),
            processing_class=tokenizer,
            peft_config=_lora(job),
        )
    )


def _loaded(job: Job) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if job["threads"]:
        torch.set_num_threads(job["threads"])
    model = AutoModelForCausalLM.from_pretrained(job["checkpoint"], dtype="float32", attn_implementation="sdpa")
    model.config.use_cache = False
    tokenizer = AutoTokenizer.from_pretrained(job["checkpoint"])
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return model, tokenizer


def _lora(job: Job) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=job["rank"], lora_alpha=job["alpha"], lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def _arguments(job: Job) -> dict[str, Any]:
    """What both trainers are told; nothing is logged, saved or computed twice."""
    return {
        "output_dir": job["out"],
        "num_train_epochs": 1,
        "learning_rate": job["learning_rate"],
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.03,
        "weight_decay": 0.0,
        "adam_beta2": 0.99,
        "max_grad_norm": 1.0,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 0,
    }


def _batches(job: Job) -> dict[str, int]:
    micro = min(job["micro"], job["batch"])
    return {"per_device_train_batch_size": micro, "gradient_accumulation_steps": max(1, job["batch"] // micro)}


def _sequences(job: Job) -> list[dict[str, list[int]]]:
    """Token numbers, and the same as labels where something is to be learned, else -100."""
    with Path(job["sequences"]).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _trained(made: Any) -> dict[str, float]:
    began = time.perf_counter()
    done = made.train()
    return {"seconds": time.perf_counter() - began, "steps": done.global_step, "loss": done.training_loss}


def peak_mib() -> float:
    """The most memory that this process has had resident, mapped files included."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


CONTENDERS: dict[str, Callable[[Job], dict[str, float]]] = {
    "ratchet": ratchet,
    "trainer": trainer,
    "trl_grouped": trl_grouped,
    "trl_packed": trl_packed,
}


def main() -> None:
    """Train as NAME does, and print what came of it."""
    name, path = sys.argv[1:]
    found = CONTENDERS[name](json.loads(Path(path).read_text(encoding="utf-8")))
    import torch

    told = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    print(json.dumps({**found, **told, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
