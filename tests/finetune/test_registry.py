"""The store of adapters: nothing unchecked gets in, nothing half-written is ever seen, roll-backs lead back."""

import json
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from agent.adapters import FILE, POINTER, choose_adapter, file_digest
from agent.errors import StorageError
from finetune.adapter_record import Provenance
from finetune.errors import AdapterInvalid, AdapterMissing, BaseMismatch, ExportError, GateRefused
from finetune.export.lora_gguf import lora_to_gguf
from finetune.registry import AdapterRegistry
from tests.finetune.export.test_lora_gguf import write_dora
from tests.finetune.loras import write_base, write_peft

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def base(tmp_path):
    return write_base(tmp_path / "base.gguf")


@pytest.fixture
def registry(tmp_path):
    return AdapterRegistry(tmp_path / "adapters")


def add(registry, base, name, *, seed=0, parent="", passed=True):
    folder = write_peft(base.with_name(f"peft-{name}"), seed=seed)
    about = Provenance("d" * 64, "lora", {"rank": 4}, seed, {"exact": 0.5}, parent)
    record = registry.add(name, folder, base, about)
    if passed is not None:
        registry.attach_verdict(
            name, {"promoted": passed, "reasons": [] if passed else [{"text": "citations fell by 4 points."}]}
        )
    return record


def served(registry, base):
    return choose_adapter("", base, registry.folder).name.partition("@")[0]


def test_an_adapter_is_kept_with_everything_that_is_known_of_it(registry, base):
    record = add(registry, base, "first")
    assert registry.show("first") == record == registry.verify("first")
    assert set(record.files) == {FILE, "adapter_model.safetensors", "adapter_config.json", "card.md"}
    card = (registry.folder / "first" / "card.md").read_text()
    assert record.base in card and "rank = 4" in card and "| exact | 0.5 |" in card
    assert registry.names() == ["first"]


def test_names_are_taken_once_and_lead_nowhere_else(registry, base, tmp_path):
    add(registry, base, "one")
    with pytest.raises(AdapterInvalid, match="already"):
        add(registry, base, "one")
    for name in ("", "../x", ".hidden", "a/b", "x" * 65):
        with pytest.raises(AdapterInvalid, match="cannot name"):
            registry.add(name, tmp_path, base)
        with pytest.raises(AdapterMissing):
            registry.show(name)
        with pytest.raises(AdapterMissing):
            registry.remove(name)


def test_an_unknown_parent_is_refused_before_anything_is_copied(registry, base):
    with pytest.raises(AdapterMissing, match="nobody"):
        add(registry, base, "child", parent="nobody")
    assert registry.names() == []


def test_only_what_the_gate_passed_is_promoted(registry, base):
    add(registry, base, "good")
    add(registry, base, "bad", passed=False, seed=1)
    add(registry, base, "unseen", passed=None, seed=2)
    for name, reason in (("bad", "citations fell by 4 points"), ("unseen", "not seen")):
        with pytest.raises(GateRefused, match=reason):
            registry.promote(name)
    assert served(registry, base) == ""
    registry.promote("good")
    assert served(registry, base) == "good"
    registry.promote("bad", force=True, reason="demonstration")
    last = registry.history()[-1]
    assert served(registry, base) == "bad" and last["forced"] and last["reason"] == "demonstration"
    assert "forced" not in registry.history()[0]


def test_a_verdict_on_other_weights_does_not_count(registry, base):
    add(registry, base, "good")
    add(registry, base, "other", passed=None, seed=1)
    shutil.copy(registry.folder / "good" / "verdict.json", registry.folder / "other" / "verdict.json")
    with pytest.raises(GateRefused):
        registry.promote("other")


def test_roll_back_goes_one_step_again_and_again(registry, base):
    for seed, name in enumerate("abc"):
        add(registry, base, name, seed=seed)
        registry.promote(name)
    registry.promote("c")  # again: no step of its own
    assert [registry.roll_back(), served(registry, base)] == ["b", "b"]
    assert [registry.roll_back(), served(registry, base)] == ["a", "a"]
    assert [registry.roll_back(), served(registry, base)] == ["", ""]
    with pytest.raises(AdapterMissing, match="nothing to roll back"):
        registry.roll_back()
    assert [event["action"] for event in registry.history()] == ["promote"] * 3 + ["roll_back"] * 3


def test_each_base_has_its_own_adapter(registry, base, tmp_path):
    other = write_base(tmp_path / "other.gguf", seed=9)
    add(registry, base, "a")
    add(registry, other, "b")
    registry.promote("a")
    registry.promote("b")
    assert (served(registry, base), served(registry, other)) == ("a", "b")
    registry.roll_back(registry.show("a").base)
    assert (served(registry, base), served(registry, other)) == ("", "b")


def test_what_is_damaged_is_found_and_never_promoted(registry, base):
    add(registry, base, "a")
    path = registry.folder / "a" / FILE
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(AdapterInvalid, match="damaged"):
        registry.verify("a")
    with pytest.raises(AdapterInvalid, match="damaged"):
        registry.promote("a", force=True)


def test_a_roll_back_to_a_damaged_adapter_changes_nothing(registry, base):
    for seed, name in enumerate("ab"):
        add(registry, base, name, seed=seed)
        registry.promote(name)
    (registry.folder / "a" / "card.md").unlink()
    with pytest.raises(AdapterInvalid):
        registry.roll_back()
    assert served(registry, base) == "b"
    registry.remove("a")
    assert registry.roll_back() == ""


def test_the_served_adapter_stays_and_others_go(registry, base):
    for seed, name in enumerate("aba"):
        if name not in registry.names():
            add(registry, base, name, seed=seed)
        registry.promote(name)
    with pytest.raises(AdapterInvalid, match="being served"):
        registry.remove("a")
    registry.remove("b")
    assert registry.names() == ["a"] and served(registry, base) == "a"
    assert registry.roll_back() == ""  # a, b, a has become a


def test_lineage_is_a_tree(registry, base):
    for seed, (name, parent) in enumerate([("a", ""), ("b", "a"), ("x", ""), ("c", "b"), ("d", "a")]):
        add(registry, base, name, seed=seed, parent=parent)
    assert [(depth, record.name) for depth, record in registry.lineage()] == [
        (0, "a"),
        (1, "b"),
        (2, "c"),
        (1, "d"),
        (0, "x"),
    ]
    registry.remove("a")
    assert [(depth, record.name) for depth, record in registry.lineage()] == [(0, "b"), (1, "c"), (0, "x"), (0, "d")]


def test_adapters_from_elsewhere_are_checked(registry, base, tmp_path):
    made = lora_to_gguf(write_peft(tmp_path / "theirs"), base, tmp_path / "theirs.gguf")
    record = registry.add("theirs", made, base)
    assert record.provenance.recipe == "imported" and set(record.files) == {FILE, "card.md"}
    pickled = write_peft(tmp_path / "pickled")
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    with pytest.raises(AdapterInvalid, match="can run code"):
        registry.add("pickled", pickled, base)
    wide = write_peft(tmp_path / "wide", size={"hidden": 96, "inner": 128, "kv": 32, "layers": 2})
    with pytest.raises(BaseMismatch):
        registry.add("wide", wide, base)
    with pytest.raises(AdapterMissing, match="no adapter in"):
        registry.add("none", tmp_path / "nothing", base)
    assert registry.names() == ["theirs"]
    assert [path.name for path in registry.folder.iterdir() if path.name.startswith(".new")] == []


@pytest.mark.parametrize("record", ["run.json", "adapter.json"])
def test_an_adapter_that_says_it_is_of_another_base_is_refused(registry, base, tmp_path, record):
    folder = write_peft(tmp_path / "theirs")
    other = write_base(tmp_path / "other.gguf", seed=9)  # of the same shapes
    (folder / record).write_text(json.dumps({"base": file_digest(other)}))
    with pytest.raises(BaseMismatch, match="another base model"):
        registry.add("theirs", folder, base)
    registry.add("theirs", folder, other)


def test_an_adapter_of_another_base_is_taken_on_purpose_and_the_record_says_so(registry, base, tmp_path):
    bundled = base.rename(tmp_path / "SmolLM2-135M-Instruct-Q8_0.gguf")
    other = "HuggingFaceTB/SmolLM2-135M"
    folder = write_peft(tmp_path / "theirs", base_model_name_or_path=other)
    for about in (None, Provenance(stated_base="HuggingFaceTB/SmolLM2-360M")):
        with pytest.raises(BaseMismatch, match=f"another base model .{other}"):
            registry.add("theirs", folder, bundled, about)
    record = registry.add("theirs", folder, bundled, Provenance(stated_base=other, compared="alike"))
    assert registry.show("theirs").provenance == record.provenance
    card = (registry.folder / "theirs" / "card.md").read_text()
    assert f"Made for: {other}" in card and "Compared: alike" in card
    for number, name in enumerate(("someone/SmolLM2-135M-Instruct-GGUF", "/models/SmolLM2-135M", None)):
        registry.add(f"own-{number}", write_peft(folder, base_model_name_or_path=name), bundled)
    unknown = write_base(tmp_path / "base.gguf")  # the name of which nobody knows
    registry.add("unknown", write_peft(folder, base_model_name_or_path=other), unknown)


def test_what_a_run_recorded_counts_for_more_than_a_name(registry, base, tmp_path):
    bundled = base.rename(tmp_path / "SmolLM2-135M-Instruct-Q8_0.gguf")
    folder = write_peft(tmp_path / "theirs", base_model_name_or_path="HuggingFaceTB/SmolLM2-135M")
    (folder / "run.json").write_text(json.dumps({"base": file_digest(bundled)}))
    registry.add("theirs", folder, bundled)


def test_a_record_that_was_written_before_a_field_was_there_is_read(registry, base):
    record = add(registry, base, "old")
    path = registry.folder / "old" / "adapter.json"
    kept = json.loads(path.read_text())
    del kept["provenance"]["stated_base"], kept["provenance"]["compared"]
    path.write_text(json.dumps(kept))
    assert registry.show("old") == record


def test_a_roll_back_passes_over_what_was_deleted_by_hand(registry, base):
    for seed, name in enumerate("abc"):
        add(registry, base, name, seed=seed)
        registry.promote(name)
    shutil.rmtree(registry.folder / "b")
    assert registry.roll_back() == "a"


def test_what_has_to_be_merged_is_kept_but_not_promoted(registry, base, tmp_path):
    registry.add("dora", write_dora(tmp_path / "d"), base)
    with pytest.raises(ExportError, match="[Mm]erge"):
        registry.promote("dora", force=True)


def test_a_full_disk_changes_nothing(registry, base, monkeypatch):
    from finetune import registry as module

    add(registry, base, "a")
    registry.promote("a")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_json", full)
    with pytest.raises(StorageError, match="no space left"):
        registry.roll_back()
    with pytest.raises(StorageError, match="no space left"):
        add(registry, base, "b", passed=None)
    assert registry.names() == ["a"] and served(registry, base) == "a"


CHANGES = """
    import itertools, sys
    from pathlib import Path
    from finetune.registry import AdapterRegistry
    registry = AdapterRegistry(Path(sys.argv[1]))
    base, made = Path(sys.argv[2]), Path(sys.argv[3])
    print("ready", flush=True)
    for number in itertools.count():
        name = next(name for name in map("n-{}".format, itertools.count(1)) if not (registry.folder / name).exists())
        registry.add(name, made, base)
        registry.promote(name, force=True)
        if number % 3 == 2:
            registry.roll_back()
        for old in registry.names():
            if old not in registry.served().values() and len(registry.names()) > 3:
                registry.remove(old)
"""


def test_a_kill_at_any_moment_leaves_a_valid_store(registry, base, tmp_path):
    made = write_peft(tmp_path / "made")
    moments = random.Random(7)
    for _ in range(12):
        command = [sys.executable, "-c", textwrap.dedent(CHANGES), str(registry.folder), str(base), str(made)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        try:
            assert child.stdout.readline() == b"ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(moments.uniform(0.01, 0.6))
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
        for name in registry.names():
            registry.verify(name)
        state = json.loads((registry.folder / POINTER).read_text()) if (registry.folder / POINTER).exists() else {}
        found = choose_adapter("", base, registry.folder)
        assert found.note == ""
        assert bool(found.paths) == any(state.get("served", {}).values())
    add(registry, base, "last")  # the lock is free, and what was left behind is swept away
    assert [path.name for path in registry.folder.iterdir() if path.name.startswith((".new", ".gone"))] == []
