import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import ModelSettings, load_settings
from agent.errors import ConfigError, ModelNotFound
from agent.models import build_chat_model, registry


@pytest.mark.parametrize("spec", ["default", "", "local:", ":default", "locl:default"])
def test_a_spec_without_provider_or_name_is_refused_with_an_example(spec):
    with pytest.raises(ModelNotFound) as caught:
        build_chat_model(spec)
    assert "local:default" in caught.value.fix
    assert all(f"{prefix}:" in caught.value.fix for prefix in registry.PROVIDERS)


def test_the_example_follows_a_near_miss():
    with pytest.raises(ModelNotFound, match="for example ollama:"):
        build_chat_model("olama:llama3")


def test_an_unknown_override_names_the_nearest_setting():
    with pytest.raises(ConfigError, match='Did you mean "temperature"'):
        build_chat_model("local:default", temprature=0.5)


def test_an_override_out_of_range_is_refused():
    with pytest.raises(ConfigError, match='"max_tokens" is wrong'):
        build_chat_model("local:default", max_tokens=0)


def test_overrides_leave_the_settings_alone():
    settings = ModelSettings(temperature=0.1)
    changed = registry.override(settings, {"temperature": 0.9, "api_key": "secret"})
    assert (settings.temperature, changed.temperature) == (0.1, 0.9)
    assert changed.api_key.get_secret_value() == "secret" and "secret" not in repr(changed)


def test_a_builder_gets_name_settings_and_folder(monkeypatch):
    seen = []
    monkeypatch.setitem(registry.PROVIDERS, "echo", f"{__name__}:build_echo")
    monkeypatch.setattr(sys.modules[__name__], "build_echo", lambda *given: seen.append(given), raising=False)
    settings = load_settings({"home": "/nowhere"})
    build_chat_model("echo:a:b", settings, seed=7)
    name, given, folder = seen[0]
    assert (name, given.seed, folder) == ("a:b", 7, Path(settings.models_folder))


def test_an_installed_package_can_add_a_provider(tmp_path):
    info = tmp_path / "parrot-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ratchet.models]\nparrot = parrot:build\nlocal = parrot:build\n")
    (tmp_path / "parrot.py").write_text("def build(name, settings, folder):\n    return 'parrot ' + name\n")
    code = (
        "from agent.models import build_chat_model, registry;"
        "print(build_chat_model('parrot:x'), registry.known_providers()['local'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "parrot x agent.models.local:build", done.stderr


def test_naming_a_provider_imports_no_other():
    code = "import sys, agent.models; print([m for m in sys.modules if m.startswith(('langchain', 'xllamacpp'))])"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
