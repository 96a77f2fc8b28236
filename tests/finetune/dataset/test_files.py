"""Every form of training data becomes examples; what is broken is named with file, line and what to do."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.dataset.example_files import read_splits
from finetune.dataset.files import MOST_BYTES, FileSource, look_at
from finetune.dataset.reading import LONGEST_RECORD
from finetune.errors import DatasetError
from finetune.schema import Example
from tests.finetune.dataset.samples import CALCULATOR, SAVE


def written(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def read(path: Path, **options: Any) -> list[Example]:
    source = FileSource(path, **options)
    source.check()
    return list(source.read())


def said(example: Example) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in example.messages]


PAIR = [("user", "How often?"), ("assistant", "Weekly.")]


@pytest.mark.parametrize(
    ("record", "template"),
    [
        (
            {"messages": [{"role": "user", "content": "How often?"}, {"role": "assistant", "content": "Weekly."}]},
            "messages",
        ),
        (
            {"conversations": [{"from": "human", "value": "How often?"}, {"from": "gpt", "value": "Weekly."}]},
            "sharegpt",
        ),
        ({"instruction": "How often?", "input": "", "output": "Weekly."}, "alpaca"),
        ({"question": "How often?", "answer": "Weekly."}, "pairs"),
        ({"prompt": "How often?", "completion": "Weekly."}, "pairs"),
        ({"prompt": "How often?", "chosen": "Weekly.", "rejected": "Never."}, "preference"),
    ],
)
def test_each_form_is_recognized_and_gives_the_same_conversation(tmp_path: Path, record: Any, template: str) -> None:
    path = written(tmp_path / "a.jsonl", record)
    source = FileSource(path)
    source.check()
    assert source.reading.facts.startswith(template)
    (example,) = source.read()
    assert said(example) == PAIR
    assert (example.source, example.group) == ("file:a.jsonl#1", "file:a.jsonl#1")
    if template == "preference":
        assert example.rejected == {"role": "assistant", "content": "Never."}


def test_preferences_in_each_of_their_forms(tmp_path: Path) -> None:
    asked, good, bad = ({"role": role, "content": text} for role, text in (*PAIR, ("assistant", "Never.")))
    forms = (
        {"prompt": [asked], "chosen": [good], "rejected": [bad]},
        {"prompt": "How often?", "chosen": [asked, good], "rejected": [asked, bad]},
        {"chosen": [asked, good], "rejected": [asked, bad]},
        {"input": {"messages": [asked]}, "preferred_output": [good], "non_preferred_output": [bad]},
    )
    for example in read(written(tmp_path / "a.jsonl", *forms)):
        assert (said(example), example.rejected) == (PAIR, bad)
    other = {"chosen": [asked, good], "rejected": [{"role": "user", "content": "When?"}, bad]}
    with pytest.raises(DatasetError, match="do not end the same conversation"):
        read(written(tmp_path / "a.jsonl", other))


def test_openai_calls_are_flattened_and_their_results_named(tmp_path: Path) -> None:
    function = {"name": "save", "arguments": '{"body": "b", "title": "t"}'}
    record = {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Keep this"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "kept"},
            {"role": "assistant", "content": "Done.", "weight": 0},
            {"role": "user", "content": "And this?"},
            {"role": "assistant", "content": "That too."},
            {"role": "user", "content": "a question nobody answered"},
        ],
        "tools": [CALCULATOR, SAVE],
    }
    (example,) = read(written(tmp_path / "a.jsonl", record))
    assert [message["role"] for message in example.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
        "assistant",
    ]
    (call,) = example.messages[2]["tool_calls"]
    assert (call["name"], list(call["arguments"].items())) == ("save", [("title", "t"), ("body", "b")])
    assert example.messages[3] == {"role": "tool", "name": "save", "content": "kept"}
    assert example.messages[4]["weight"] == 0
    assert example.tools == (CALCULATOR, SAVE)


def test_our_own_form_comes_back_whole(tmp_path: Path) -> None:
    call = {"name": "calculator", "arguments": {"expression": "1+1"}}
    own = Example(
        (
            {"role": "user", "content": "1+1?", "passages": ["One and one are two."]},
            {"role": "assistant", "content": "", "tool_calls": [call]},
        ),
        (CALCULATOR,),
        "turn:1",
        "thread:1",
        {"role": "assistant", "content": "3"},
        None,
    )
    assert read(written(tmp_path / "a.jsonl", own.to_json())) == [own]


def test_sharegpt_with_calls_and_observations(tmp_path: Path) -> None:
    calls = [
        {"name": "calculator", "arguments": {"expression": "1+1"}},
        {"name": "calculator", "arguments": {"expression": "2+2"}},
    ]
    record = {
        "conversations": [
            {"from": "human", "value": "1+1 and 2+2?"},
            {"from": "function_call", "value": json.dumps(calls)},
            {"from": "observation", "value": "2"},
            {"from": "observation", "value": "4"},
            {"from": "gpt", "value": "2 and 4"},
        ],
        "tools": json.dumps([CALCULATOR["function"]]),
        "system": "Be kind.",
    }
    (example,) = read(written(tmp_path / "a.jsonl", record))
    assert said(example)[0] == ("system", "Be kind.")
    assert example.messages[2]["tool_calls"] == calls
    assert [message["name"] for message in example.messages[3:5]] == ["calculator", "calculator"]
    assert example.tools == (CALCULATOR,)


def test_a_call_of_a_tool_that_is_not_offered_is_left_out_and_counted(tmp_path: Path) -> None:
    good = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    bad = {
        "conversations": [
            {"from": "human", "value": "Hi"},
            {"from": "function_call", "value": '{"name": "x", "arguments": {}}'},
        ]
    }
    source = FileSource(written(tmp_path / "a.jsonl", good, bad))
    assert len(list(source.read())) == 1
    assert source.reading.left_out == {"a call of a tool that is not offered": 1}


@pytest.mark.parametrize(("name", "examples", "calls"), [("glaive_300", 300, 211), ("toolace_100", 94, 150)])
def test_public_sets_in_sharegpt_form(shared_data: Path, name: str, examples: int, calls: int) -> None:
    (path,) = (shared_data / "train" / name).glob("*.json")
    source = FileSource(path)
    source.check()
    found = list(source.read())
    assert len(found) == examples
    assert sum(bool(message.get("tool_calls")) for one in found for message in one.messages) >= calls
    for one in found:
        offered = {tool["function"]["name"] for tool in one.tools}
        called = {call["name"] for message in one.messages for call in message.get("tool_calls", ())}
        assert called <= offered
        assert one.messages[-1]["role"] == "assistant"
        assert all(tool["function"]["parameters"]["type"] == "object" for tool in one.tools)


def test_an_array_is_read_like_lines_with_the_line_of_each_record(tmp_path: Path) -> None:
    records = [{"question": f"Is “{n}” a number? ]}}", "answer": "yes, it is"} for n in range(50)]
    one, many, lines = tmp_path / "one.json", tmp_path / "many.json", tmp_path / "lines.jsonl"
    one.write_text(json.dumps(records), encoding="utf-8")
    many.write_text(json.dumps(records, indent=2, ensure_ascii=False), encoding="utf-8-sig")
    written(lines, *records)
    assert [said(example) for example in read(one)] == [said(example) for example in read(lines)]
    assert [said(example) for example in read(many)] == [said(example) for example in read(lines)]
    assert [example.source for example in read(many)][:3] == [
        "file:many.json#2",
        "file:many.json#6",
        "file:many.json#10",
    ]


def test_an_array_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    records = [{"question": f"question {n} " + "ü" * 3000, "answer": "yes"} for n in range(500)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")
    assert len(read(path)) == 500


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_a_header_and_a_line_break_in_a_cell(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    rows = [["Question", "Answer"], ["How often?", '"Weekly,\nor;more"'], ["When?", "Now."]]
    path.write_text("\n".join(delimiter.join(row) for row in rows) + "\n", encoding="utf-8-sig")
    first, second = read(path)
    assert said(first) == [("user", "How often?"), ("assistant", "Weekly,\nor;more")]
    assert (first.source, second.source) == ("file:a.csv#2", "file:a.csv#4")


def test_a_script_of_questions_and_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Question: How often?\nAnswer: Weekly,\nor more.\n\nQ: When?\nA: Now.\n", encoding="utf-8")
    assert [said(one) for one in read(path)] == [
        [("user", "How often?"), ("assistant", "Weekly,\nor more.")],
        [("user", "When?"), ("assistant", "Now.")],
    ]


def test_a_script_of_conversations(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        "User: Hi\nAssistant: Hello\nUser: Bye\nAssistant: Bye\n---\nUser: You?\nAssistant: Me.\n", encoding="utf-8"
    )
    assert [len(one.messages) for one in read(path)] == [4, 2]


def test_prose_is_continued_block_by_block(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    paragraph = "The sea is deep and salty. " + "No one has ever seen its darkest end. " * 20
    path.write_text(f"{paragraph}\n\n" * 40, encoding="utf-8")
    found = read(path)
    assert 15 < len(found) < 60
    assert all(one.messages[0]["content"].startswith("Continue this text:\n\nThe sea is deep") for one in found)
    assert len({one.group for one in found}) >= 2
    assert sum(len(one.messages[1]["content"]) for one in found) > 0.8 * len(paragraph) * 40, "nothing is lost"


BROKEN = {
    "broken line": ('{"question": "a", "answer": "b"}\n{"question": \n', "line 2", "not JSON"),
    "not an object": ('{"question": "a", "answer": "b"}\n\n[1]\n', "line 3", "not a JSON object"),
    "mixed templates": (
        '{"question": "a", "answer": "b"}\n{"messages": [{"role": "user", "content": "a"}]}\n',
        "line 2",
        "of the form messages, those before it are of pairs",
    ),
    "no assistant": ('{"messages": [{"role": "user", "content": "a"}]}\n', "line 1", "no assistant's turn"),
    "no weight": (
        '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]}\n',
        "line 1",
        "no assistant's turn",
    ),
    "empty answer": ('{"question": "a", "answer": " "}\n', "line 1", "answer is empty"),
    "unknown role": ('{"messages": [{"role": "narrator", "content": "a"}]}\n', "line 1", '"narrator"'),
    "unknown fields": ('{"foo": 1, "bar": 2}\n', "line 1", "foo, bar"),
    "laid out": (
        '{"text": "", "prompt": "<|im_start|>user\\nHi<|im_end|>", "completion": "Hello"}\n',
        "line 1",
        "already laid out for a model",
    ),
    "endless": ('[{"question": "a", "answer": "b"}', "line 1", "cut off"),
    "broken array": ('[{"question": "a", "answer": "b"},\n{"question": oops}]', "line 2", "not JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_the_line_and_what_to_do(tmp_path: Path, name: str) -> None:
    text, place, why = BROKEN[name]
    path = tmp_path / "data.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        read(path)
    assert f"{path}, {place}:" in caught.value.what
    assert why in caught.value.what
    assert caught.value.kept
    assert caught.value.fix


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".txt"])
def test_bytes_that_are_not_utf8(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    start = {".json": b'[{"question": "a",\n', ".csv": b"question,answer\na,b\n"}.get(
        suffix, b'{"question": "a", "answer": "b"}\n'
    )
    path.write_bytes(start + b'"answer": "caf\xe9"}]\n')
    with pytest.raises(DatasetError, match=r"line [23].*not UTF-8") as caught:
        read(path)
    assert "iconv" in caught.value.fix


GOOD = b'{"question": "a", "answer": "b"}\n'
LATE = {
    "bytes": (b'{"question": "a", "answer": "caf\xe9"}\n', "is not UTF-8"),
    "template": (b'{"messages": [{"role": "user", "content": "a"}]}\n', "of the form messages, those before it are of"),
    "answer": (b'{"question": "a", "answer": ""}\n', "no assistant's turn"),
    "json": (b'{"question": "a",\n', "not JSON"),
}


@pytest.mark.parametrize("name", LATE)
def test_a_record_far_into_a_file_is_found_before_any_is_read(tmp_path: Path, name: str) -> None:
    fault, why = LATE[name]
    path = tmp_path / "data.jsonl"
    path.write_bytes(GOOD * 400 + fault + GOOD * 9)
    with pytest.raises(DatasetError, match="line 401: ") as caught:
        FileSource(path).check()
    assert why in caught.value.what
    FileSource(path, limit=400).check()  # what is not taken is not looked at


def test_a_conversation_without_an_answer_is_found_far_into_a_file(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    path = written(tmp_path / "a.jsonl", *[{"messages": turns}] * 70, {"messages": turns[:1]})
    with pytest.raises(DatasetError, match="line 71: there is no assistant's turn"):
        FileSource(path).check()


@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_bytes_far_into_a_table_or_a_text_are_found_too(tmp_path: Path, suffix: str) -> None:
    lines = {".csv": [b"question,answer\n", b"a,b\n", b"a,caf\xe9\n"], ".txt": [b"", b"Q: a\nA: b\n", b"Q: caf\xe9\n"]}
    head, good, bad = lines[suffix]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(head + good * 200 + bad)
    with pytest.raises(DatasetError, match=rf"line {202 if suffix == '.csv' else 401}: .*not UTF-8"):
        FileSource(path).check()


def test_what_is_left_out_is_counted_once(tmp_path: Path) -> None:
    good = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    image = {"conversations": [{"from": "human", "value": [{"type": "image"}]}, {"from": "gpt", "value": "A cat."}]}
    source = FileSource(written(tmp_path / "a.jsonl", good, image))
    source.check()
    assert not source.reading.left_out
    assert len(list(source.read())) == 1
    assert source.reading.left_out == {"a message that is not text": 1}


def test_utf16_is_called_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n', encoding="utf-16")
    with pytest.raises(DatasetError, match="UTF-16"):
        read(path)


def test_a_csv_row_of_another_length(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,answer\na,b\na,b,c\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="line 3: the row has 3 cells, the first line 2"):
        read(path)


@pytest.mark.parametrize(
    ("header", "place", "why"),
    [('"question,answer', "line 1", "not CSV"), ("question,answer,Answer ", "line 1", "two columns are called answer")],
)
def test_a_csv_header_that_cannot_be_used(tmp_path: Path, header: str, place: str, why: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\na,b,c\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=f"{place}: .*{why}"):
        FileSource(path).check()


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", ""), ("a.csv", "question,answer\n"), ("a.txt", "\n\n"), ("a.json", "[]")]
)
def test_an_empty_file(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match="holds no example"):
        FileSource(path).check()


def test_a_missing_file_a_folder_and_an_unknown_kind(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("x")
    for path, why in (
        (tmp_path / "no.jsonl", "no file"),
        (tmp_path, "a folder"),
        (tmp_path / "a.xyz", "no known form"),
    ):
        with pytest.raises(DatasetError, match=why):
            FileSource(path).check()


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """Ten gigabytes, of which only the first lines take room on the disk."""
    path = written(tmp_path / "huge.jsonl", *({"question": f"q{n}", "answer": "a"} for n in range(100)))
    with path.open("r+b") as file:
        file.truncate(10 * 2**30)
    return path


def test_ten_gigabytes_are_refused_before_they_are_read(huge: Path) -> None:
    with pytest.raises(DatasetError, match=r"10\.0 GiB, about [\d,]{9,} examples") as caught:
        FileSource(huge).check()
    assert "--limit" in caught.value.fix
    assert "minutes" in caught.value.kept


def test_the_first_of_ten_gigabytes_can_be_taken(huge: Path) -> None:
    assert len(read(huge, limit=80)) == 80
    with pytest.raises(DatasetError, match=f"line 101: the line is longer than {LONGEST_RECORD // 2**20} MiB"):
        read(huge, limit=101)
    assert look_at(huge).bytes > MOST_BYTES


def test_ten_gigabytes_are_not_trained_on_either(huge: Path) -> None:
    with pytest.raises(DatasetError, match=r"10\.0 GiB") as caught:
        read_splits(huge)
    assert "--limit" in caught.value.fix


def test_no_part_of_a_data_set_may_be_too_large(tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        folder = tmp_path / part
        folder.mkdir()
        for name in ("train", "dev", "test"):
            written(folder / f"{name}.jsonl", {"messages": [{"role": "user", "content": "a"}]})
        with (folder / f"{part}.jsonl").open("r+b") as file:
            file.truncate(10 * 2**30)
        with pytest.raises(DatasetError, match=rf"{part}\.jsonl has 10\.0 GiB; at most 1 GiB"):
            read_splits(folder)


def test_half_a_character_becomes_a_question_mark_and_a_whole_one_stays(tmp_path: Path) -> None:
    text = '{"question": "half \\ud83d, whole \\ud83d\\ude00", "answer": "\\uDC00"}'
    for name, content in (("a.jsonl", text), ("a.json", f"[{text}]")):
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert said(read(tmp_path / name)[0]) == [("user", "half ?, whole 😀"), ("assistant", "?")]


def test_a_long_file_never_stands_in_memory(tmp_path: Path) -> None:
    lines, array = tmp_path / "a.jsonl", tmp_path / "a.json"
    record = json.dumps({"question": "q " * 500, "answer": "a " * 500})
    lines.write_text(f"{record}\n" * 4_000, encoding="utf-8")
    array.write_text("[" + ",".join([record] * 4_000) + "]", encoding="utf-8")
    for path in (lines, array):
        source = FileSource(path)
        tracemalloc.start()
        try:
            source.check()
            assert sum(1 for _ in source.read()) == 4_000
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < path.stat().st_size / 2


names = st.sampled_from(
    "messages conversations role from content value tool_calls function name arguments tools passages weight prompt "
    "chosen rejected input output instruction preferred_output non_preferred_output question answer system label"
    " properties".split()
)
words = st.sampled_from(
    ["user", "assistant", "tool", "gpt", "human", "function_call", "observation", "[]", "{", "", "calculator"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=25,
)
turns = st.lists(st.dictionaries(names, values | words, max_size=5) | values, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(
        st.dictionaries(names, values | turns, max_size=5)
        | st.fixed_dictionaries({"messages": turns, "tools": values})
        | st.fixed_dictionaries({"conversations": turns}),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_the_records_hold_there_are_examples_or_a_clear_error(tmp_path: Path, records: list[Any]) -> None:
    path = written(tmp_path / "a.jsonl", *records)
    try:
        examples = read(path)
    except DatasetError as error:
        assert str(path) in error.what
        return
    for example in examples:
        assert example.key
        assert example.to_json() == Example.from_json(json.loads(json.dumps(example.to_json()))).to_json()
        assert example.messages[-1]["role"] == "assistant"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=60),
    suffix=st.sampled_from([".jsonl", ".json", ".csv", ".txt"]),
    start=st.sampled_from([b"", b"[", b"question,answer\n", b"Q: a\nA: "]),
)
def test_whatever_the_bytes_are_there_are_examples_or_a_clear_error(
    tmp_path: Path, content: bytes, suffix: str, start: bytes
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(start + content)
    try:
        read(path)
    except DatasetError as error:
        assert error.what
