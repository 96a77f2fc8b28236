"""Adapters that come while a model is running: taken up without a second copy of it, and without losing a request."""

import asyncio
import gc
import threading

import pytest

from agent.errors import ModelFileInvalid
from agent.models.engine import _is_likely
from agent.models.local import LocalChatModel
from tests.agent.models.test_local_files import write_lora

QUESTION = "Name three rivers."


@pytest.fixture
def running(gguf):
    """A model of its own, loaded without an adapter."""
    made = LocalChatModel(path=gguf, context_tokens=768, max_tokens=16)
    made.invoke(QUESTION)
    yield made
    made.close()


def beside(model, *adapters):
    return LocalChatModel(path=model.path, adapters=adapters, context_tokens=768, max_tokens=16)


def test_a_later_adapter_joins_the_running_engine(running, tmp_path):
    first, second = (write_lora(tmp_path / f"{seed}.gguf", seed=seed) for seed in (1, 2))
    plain = running.invoke(QUESTION).text
    one = beside(running, first)
    assert one._engine is running._engine
    by_first = one.invoke(QUESTION).text
    two = beside(running, second)
    by_second = two.invoke(QUESTION).text
    server = running._engine.server
    again = [model.invoke(QUESTION).text for model in (running, one, two, running)]
    assert again == [plain, by_first, by_second, plain] and len({plain, by_first, by_second}) == 3
    assert running._engine.server is server  # all of them are at hand: nothing was loaded again


def test_a_request_in_flight_ends_on_the_server_it_began_on(running, tmp_path):
    whole = running.invoke(QUESTION, max_tokens=120).text
    stream = running.stream(QUESTION, max_tokens=120)
    said = [next(stream).text for _ in range(3)]
    late = beside(running, write_lora(tmp_path / "late.gguf", seed=3))
    assert late.invoke(QUESTION).text
    said += [chunk.text for chunk in stream]
    assert "".join(said) == whole


def test_many_ask_while_adapters_come(running, tmp_path):
    adapters = [write_lora(tmp_path / f"{seed}.gguf", seed=seed) for seed in range(4)]
    alone = [beside(running, path).invoke(QUESTION).text for path in adapters]
    running.close()
    answers: dict[int, list[str]] = {}

    def ask(number):
        model = beside(running, adapters[number])
        answers[number] = [model.invoke(QUESTION).text for _ in range(3)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: [alone[number]] * 3 for number in range(4)}


async def test_an_asker_who_leaves_during_the_restart_leaves_nothing_running(running, tmp_path):
    late = beside(running, write_lora(tmp_path / "late.gguf", seed=3))
    task = asyncio.create_task(late.ainvoke(QUESTION, max_tokens=400))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await late.ainvoke(QUESTION)).text == late.invoke(QUESTION).text


def test_an_adapter_that_cannot_be_loaded_harms_nobody_else(running, tmp_path):
    plain = running.invoke(QUESTION).text
    good = beside(running, write_lora(tmp_path / "good.gguf", seed=1))
    by_good = good.invoke(QUESTION).text
    wide = beside(running, write_lora(tmp_path / "wide.gguf", width=1024))
    with pytest.raises(ModelFileInvalid, match="with the adapter"):
        wide.invoke(QUESTION)
    assert running.get_num_tokens("words not counted before") == 4
    assert running.invoke(QUESTION).text == plain
    assert good.invoke(QUESTION).text == by_good


def test_an_adapter_that_computes_no_numbers_is_refused_and_harms_nobody_else(running, tmp_path):
    plain = running.invoke(QUESTION).text
    good = beside(running, write_lora(tmp_path / "good.gguf", seed=1))
    by_good = good.invoke(QUESTION).text
    broken = beside(running, write_lora(tmp_path / "broken.gguf", size=1e18))
    for _ in range(2):
        with pytest.raises(ModelFileInvalid, match="computes no numbers"):
            broken.invoke(QUESTION)
    assert running.invoke(QUESTION).text == plain
    assert good.invoke(QUESTION).text == by_good


def test_a_broken_adapter_that_another_model_wants_is_left_out(gguf, tmp_path):
    model = LocalChatModel(path=gguf, context_tokens=512, max_tokens=16)
    broken = LocalChatModel(
        path=gguf, adapters=(write_lora(tmp_path / "broken.gguf", size=1e18),), context_tokens=512, max_tokens=16
    )
    assert model.invoke(QUESTION).text.strip()
    assert model._engine._loaded.adapters == ()
    with pytest.raises(ModelFileInvalid, match="computes no numbers"):
        broken.invoke(QUESTION)
    model.close()


def test_a_first_token_that_is_a_part_of_a_character_is_no_sign_of_a_broken_adapter(running):
    running.invoke(QUESTION)
    part_of_one = 141
    asked = {"prompt": "a", "max_tokens": 1, "logprobs": 1, "logit_bias": [[part_of_one, 1000]]}
    choice = running._engine._loaded.server.handle_completions(asked)["choices"][0]
    assert choice["text"] == "\ufffd" and _is_likely(choice)


def test_an_adapter_whose_file_is_gone_takes_no_other_with_it(running, tmp_path):
    gone = beside(running, write_lora(tmp_path / "gone.gguf", seed=1))
    gone.invoke(QUESTION)
    gone.adapters[0].unlink()
    later = beside(running, write_lora(tmp_path / "later.gguf", seed=2))
    assert later.invoke(QUESTION).text
    assert [path.stem for path in running._engine._loaded.adapters] == ["later"]


def test_adapters_that_nobody_holds_are_dropped_with_the_next_restart(running, tmp_path):
    gone = beside(running, write_lora(tmp_path / "gone.gguf", seed=1))
    gone.invoke(QUESTION)
    del gone
    gc.collect()
    kept = beside(running, write_lora(tmp_path / "kept.gguf", seed=2))
    kept.invoke(QUESTION)
    assert [path.stem for path in running._engine._loaded.adapters] == ["kept"]


def test_tokens_are_counted_on_across_a_restart(running, tmp_path):
    assert running.get_num_tokens("one two three") == 3
    beside(running, write_lora(tmp_path / "a.gguf", seed=1)).invoke(QUESTION)
    assert running.get_num_tokens("four five six seven") == 4
