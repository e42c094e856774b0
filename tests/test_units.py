# SPDX-License-Identifier: Apache-2.0
"""Units: computed once, redone when anything changed, and silent about text when they fail."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.schemas.errors import InputError, JobError, ListError, MunimentError, StageError
from muniment.transforms.storage import read_ipc
from muniment.transforms.units import Marker, UnitOutputs, Workspace, fingerprint

SCHEMA = pa.schema([pa.field("n", pa.int64(), nullable=False)])
CANARY = "Patient Ada Lovelace, 555-0199"


class Counting:
    """A unit that counts how often it is computed."""

    def __init__(self) -> None:
        self.computed = 0

    def __call__(self, out: UnitOutputs) -> None:
        self.computed += 1
        batch = pa.record_batch([pa.array([1, 2, 3])], schema=SCHEMA)
        with out.timed("write", 24):
            out.write_ipc("numbers", SCHEMA, [batch])
            out.write_parquet("table", SCHEMA, [pa.Table.from_batches([batch])])
        out.stats["records"] = 3


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(str(tmp_path / "work"))


@pytest.fixture
def unit() -> Counting:
    return Counting()


# Reuse


def test_a_unit_writes_its_outputs_and_a_marker_that_describes_them(
    space: Workspace, unit: Counting
) -> None:
    marker = space.run_unit("stage", 3, "f", unit)
    assert (marker.stage, marker.number, marker.fingerprint) == ("stage", 3, "f")
    assert marker.stats == {"records": 3}
    assert Path(marker.path("numbers")).name == "00003.numbers.arrow"
    assert Path(marker.path("table")).name == "00003.table.parquet"
    assert read_ipc(marker.path("numbers"))["n"].to_pylist() == [1, 2, 3]
    assert set(marker.timings) == {"write", "total"}
    assert marker.timings["write"][2] == 24
    read_back = space.marker("stage", 3)
    assert read_back == marker
    assert json.loads(json.dumps(marker.as_dict())) == marker.as_dict()


def test_an_equal_fingerprint_reuses(space: Workspace, unit: Counting) -> None:
    first = space.run_unit("stage", 0, "f", unit)
    assert space.run_unit("stage", 0, "f", unit) == first
    assert Workspace(space.root).run_unit("stage", 0, "f", unit) == first
    assert unit.computed == 1


def test_another_fingerprint_number_or_stage_computes(space: Workspace, unit: Counting) -> None:
    space.run_unit("stage", 0, "f", unit)
    space.run_unit("stage", 0, "g", unit)
    assert unit.computed == 2
    space.run_unit("stage", 0, "f", unit)  # the outputs of f are gone, whatever is remembered
    space.run_unit("stage", 1, "f", unit)
    space.run_unit("other", 0, "f", unit)
    assert unit.computed == 5


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize("damage", [_flip, _grow, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", ["00000.numbers.arrow", "00000.table.parquet"])
def test_a_changed_output_is_computed_again(
    space: Workspace, unit: Counting, damage: Callable[[Path], None], name: str
) -> None:
    before = space.run_unit("stage", 0, "f", unit)
    damage(Path(space.root) / "stage" / name)
    after = space.run_unit("stage", 0, "f", unit)
    assert unit.computed == 2
    assert after.outputs == before.outputs  # the same bytes each time


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]", b"{}", b'"text"', b"\xff\xfe", b'{"stage": "stage"}']
)
def test_a_torn_marker_is_computed_again(space: Workspace, unit: Counting, content: bytes) -> None:
    space.run_unit("stage", 0, "f", unit)
    (Path(space.root) / "stage" / "00000.json").write_bytes(content)
    with pytest.raises(StageError, match="missing or torn; run the job again"):
        space.marker("stage", 0)
    assert space.markers("stage") == []
    space.run_unit("stage", 0, "f", unit)
    assert unit.computed == 2


def test_every_torn_prefix_of_a_marker_is_noticed(space: Workspace, unit: Counting) -> None:
    space.run_unit("stage", 0, "f", unit)
    path = Path(space.root) / "stage" / "00000.json"
    content = path.read_bytes()
    for end in range(0, len(content.rstrip()), 7):
        path.write_bytes(content[:end])
        assert space.markers("stage") == []


def test_markers_come_by_number_and_ignore_other_files(space: Workspace, unit: Counting) -> None:
    for number in (10, 2, 99999):
        space.run_unit("stage", number, "f", unit)
    assert [marker.number for marker in space.markers("stage")] == [2, 10, 99999]
    assert space.markers("never ran") == []


def test_everything_in_the_work_folder_is_private_under_umask_0(
    space: Workspace, unit: Counting
) -> None:
    before = os.umask(0)
    try:
        space.run_unit("stage", 0, "f", unit)
        with pytest.raises(StageError):
            space.run_unit("stage", 1, "f", _raise(ValueError(CANARY)))
    finally:
        os.umask(before)
    for path in (Path(space.root), *Path(space.root).rglob("*")):
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


# Failure


def _raise(error: BaseException) -> Callable[[UnitOutputs], None]:
    def compute(_: UnitOutputs) -> None:
        raise error

    return compute


def _everything_under(folder: str) -> bytes:
    return b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())


def _fail_with_text(out: UnitOutputs) -> None:
    text = CANARY
    out.write_ipc("numbers", SCHEMA, [])
    try:
        int(text)
    except ValueError as error:
        raise RuntimeError(f"cannot read {text!r}") from error


def test_a_failure_names_class_and_place_and_never_the_text(space: Workspace) -> None:
    with pytest.raises(
        StageError, match=r"^stage 7: RuntimeError at test_units\.py:\d+$"
    ) as caught:
        space.run_unit("stage", 7, "f", _fail_with_text)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    everything = _everything_under(space.root)
    assert CANARY.encode() not in everything
    assert b"Ada" not in everything
    assert b"RuntimeError" in everything
    failure = space.failure()
    assert type(failure) is StageError
    assert str(failure) == str(caught.value)


@given(st.text(min_size=4, alphabet=st.characters(codec="utf-8")))
def test_no_text_of_a_foreign_error_reaches_the_disk(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    canary = f"<<{text}>>"
    space = Workspace(str(tmp_path_factory.mktemp("work")))
    with pytest.raises(StageError):
        space.run_unit("stage", 0, "f", _raise(ValueError(canary)))
    everything = _everything_under(space.root)
    assert canary.encode() not in everything
    assert json.dumps(canary)[1:-1].encode() not in everything


def test_a_failed_unit_leaves_no_marker_and_is_computed_next_time(
    space: Workspace, unit: Counting
) -> None:
    with pytest.raises(StageError):
        space.run_unit("stage", 0, "f", _fail_with_text)
    assert space.markers("stage") == []
    space.run_unit("stage", 0, "f", unit)
    assert unit.computed == 1


@pytest.mark.parametrize(
    "error",
    [
        InputError("a.jsonl: changed while it was read"),
        ListError("list optout: the file changed"),
        JobError(["x: expected 1, got 2", "y: missing"]),
        StageError("defect"),
    ],
)
def test_an_error_on_purpose_passes_as_it_is_and_is_noted(
    space: Workspace, error: MunimentError
) -> None:
    with pytest.raises(type(error)) as caught:
        space.run_unit("stage", 0, "f", _raise(error))
    assert caught.value is error
    noted = space.failure()
    assert type(noted) is type(error)
    assert str(noted) == str(error)
    assert noted.exit_code == error.exit_code


def test_memory_is_named_when_it_runs_out(space: Workspace) -> None:
    with pytest.raises(StageError, match="stage 0: out of memory"):
        space.run_unit("stage", 0, "f", _raise(MemoryError("while holding " + CANARY)))
    assert CANARY.encode() not in _everything_under(space.root)


def test_an_interrupt_is_no_failure_of_the_unit(space: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt):
        space.run_unit("stage", 0, "f", _raise(KeyboardInterrupt()))
    assert space.failure() is None
    assert space.markers("stage") == []


def test_failures_are_remembered_until_forgotten(space: Workspace) -> None:
    assert space.failure() is None
    space.forget_failures()
    for number in (4, 2):
        with pytest.raises(ListError):
            space.run_unit("stage", number, "f", _raise(ListError(f"unit {number}")))
    assert str(space.failure()) == "unit 2"
    space.forget_failures()
    assert space.failure() is None


# Fingerprints


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_a_fingerprint_does_not_depend_on_the_order_of_keys(values: dict[str, object]) -> None:
    turned = dict(reversed(values.items()))
    assert fingerprint("a", values) == fingerprint("a", turned)
    assert fingerprint("a", values) != fingerprint("b", values)


def test_a_fingerprint_tells_where_one_part_ends() -> None:
    prints = {
        fingerprint("ab", "c"), fingerprint("a", "bc"), fingerprint("abc"), fingerprint(["ab", "c"]),
        fingerprint(1), fingerprint("1"), fingerprint(None), fingerprint(),
    }  # fmt: skip
    assert len(prints) == 8
    assert all(len(digest) == 64 for digest in prints)


def test_times_add_up_over_repeated_steps(tmp_path: Path) -> None:
    out = UnitOutputs(tmp_path, 0)
    for size in (1, 2):
        with out.timed("step", size):
            pass
    with pytest.raises(ValueError, match="x"), out.timed("step", 4):
        raise ValueError("x")
    wall, cpu, size = out.timings["step"]
    assert size == 7
    assert wall >= 0
    assert cpu >= 0


def test_a_marker_names_its_outputs_by_path(space: Workspace, unit: Counting) -> None:
    marker: Marker = space.run_unit("stage", 0, "f", unit)
    for facts in marker.outputs.values():
        assert Path(facts.path).is_file()
    with pytest.raises(KeyError):
        marker.path("unknown")
