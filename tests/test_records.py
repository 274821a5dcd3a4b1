"""Records: JSON files, checked whole when they are read."""

import json
from dataclasses import dataclass

import pytest

from jenacast.errors import DataError, JenacastError
from jenacast.records import MAX_PROBLEMS, Record, check_record, read_record


class Inner(Record):
    stop: int


class Outer(Record):
    format: int
    splits: dict[str, Inner]


@dataclass(frozen=True)
class Plan:
    seeds: list[int]


SOUND = {"format": 1, "splits": {"train": {"stop": 3}}}
REMEDIES = {"missing": "make it", "damaged": "mend it"}


@pytest.fixture
def read(tmp_path):
    def read(content, kind=Outer, **options):
        path = tmp_path / "kept.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return read_record(path, kind, **REMEDIES, **options)

    return read


def test_a_record_is_read_whether_model_or_dataclass(read):
    assert read(SOUND, format=1).splits["train"].stop == 3
    assert read({"seeds": [1, 2]}, Plan) == Plan([1, 2])
    assert read(SOUND, dict[str, object]) == SOUND


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "is damaged (Expecting property name"),
        (b"\xff\xfe\xff", "is damaged ("),
        (b"[" * 100_000, "is damaged (maximum recursion depth"),
        (b'{"format": NaN}', "is damaged (NaN is not JSON); mend it"),
        ([], "is damaged (Input should be a valid dictionary"),
        ({"format": 1}, "is damaged (splits: Field required); mend it"),
        (SOUND | {"colour": "red"}, "is damaged (colour: Extra inputs are not permitted); mend it"),
        ({"format": 1, "splits": {"train": {"stop": "x"}, "val": {}}}, "(splits.train.stop: Input should be a valid"),
        ({"format": 1, "splits": {"train": {"stop": "x"}, "val": {}}}, "; splits.val.stop: Field required); mend it"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(read, content, told):
    with pytest.raises(DataError) as caught:
        read(content, error=DataError)
    assert told in str(caught.value)


def test_only_the_first_problems_are_listed(read):
    with pytest.raises(JenacastError) as caught:
        read({"format": 1, "splits": {str(number): {} for number in range(50)}})
    assert str(caught.value).count("Field required") == MAX_PROBLEMS


@pytest.mark.parametrize("content", [SOUND | {"format": 2, "new": True}, {"format": 2}])
def test_another_format_is_told_before_its_keys(read, content):
    with pytest.raises(JenacastError, match=r"has format 2, this version reads 1; .*, or mend it"):
        read(content, format=1)


def test_a_missing_file_and_one_in_the_way_are_told_apart(tmp_path):
    with pytest.raises(DataError, match=r"none\.json not found; make it"):
        read_record(tmp_path / "none.json", Plan, error=DataError, **REMEDIES)
    with pytest.raises(JenacastError, match="Not a regular file"):
        read_record(tmp_path, Plan, **REMEDIES)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(path, most_bytes):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("jenacast.records.read_regular", refuse)
    with pytest.raises(PermissionError):
        read_record(tmp_path / "kept.json", Plan, **REMEDIES)


def test_text_and_content_read_elsewhere_are_checked_alike():
    assert check_record(b'{"seeds": [1]}', Plan, "x.zip: plan", damaged="mend it") == Plan([1])
    with pytest.raises(JenacastError, match=r"x\.zip: plan is damaged \(seeds: Field required\); mend it"):
        check_record({}, Plan, "x.zip: plan", damaged="mend it")


def test_a_record_is_not_changed_in_place(read):
    with pytest.raises(ValueError, match="frozen"):
        read(SOUND).format = 2
