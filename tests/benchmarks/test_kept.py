"""Results that outlast the program that measured them."""

from pathlib import Path

from benchmarks.kept import Kept


def test_lines_are_found_by_the_next_program(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "results.jsonl"
    Kept(file).add(name="a", round=0, seconds=1.5)
    again = Kept(file)
    again.add(name="b", round=0, words="größer")
    assert [line["name"] for line in Kept(file).lines] == ["a", "b"]
    assert Kept(file).find(name="a", round=0)[0]["seconds"] == 1.5
    assert not Kept(file).find(name="a", round=1)
    assert Kept(file).find(name="b")[0]["words"] == "größer"


def test_a_line_that_was_cut_short_is_no_result(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    Kept(file).add(number=1)
    with file.open("ab") as torn:
        torn.write(b'{"number": 2, "sec')
    kept = Kept(file)
    assert kept.lines == [{"number": 1}]
    kept.add(number=3)
    assert [line["number"] for line in Kept(file).lines] == [1, 3]


def test_without_a_file_they_are_kept_for_the_moment() -> None:
    kept = Kept(None)
    kept.add(number=1)
    assert kept.find(number=1) and not Kept(None).lines
