"""What a task is computed from, as one key: the least change gives another, and nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.selection import Selection
from blocks.tree import Entry, file
from blocks.work import TaskOrder
from flows.digest import Passing, of_tree
from flows.task_cache import key

NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=6)
TREES = st.dictionaries(NAMES, st.binary(max_size=40), min_size=1, max_size=4)
PARTS = st.sampled_from(["payload", "start point", "values and templates"])


def tree(files: Mapping[str, bytes], mode: int = 0o644) -> list[Entry]:
    return [file(name, content, mode) for name, content in files.items()]


def key_of(
    parts: Mapping[str, Mapping[str, bytes]],
    arguments: tuple[str, ...] = (),
    program: str = "",
    selection: Selection = Selection(),  # noqa: B008 -- it can't change
) -> str:
    order = TaskOrder(1, 1, 0, tuple(tree(parts["values and templates"])), arguments, program)
    return key(of_tree(tree(parts["payload"])), of_tree(tree(parts["start point"])), order, selection)


@given(
    st.fixed_dictionaries({"payload": TREES, "start point": TREES, "values and templates": TREES}),
    PARTS,
    st.integers(0, 3),
    st.integers(0, 39),
    st.integers(1, 255),
)
def test_one_byte_of_any_file_changes_the_key(
    parts: dict[str, dict[str, bytes]], where: str, which: int, place: int, flip: int
) -> None:
    name = list(parts[where])[which % len(parts[where])]
    content = bytearray(parts[where][name] or b"?")
    content[place % len(content)] ^= flip
    changed = {**parts, where: {**parts[where], name: bytes(content)}}

    assert key_of(changed) != key_of(parts)


@given(TREES, TREES)
def test_trees_have_one_digest_exactly_when_they_are_the_same(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (of_tree(tree(one)) == of_tree(tree(other))) == (one == other)


@given(TREES, st.randoms(use_true_random=False))
def test_the_order_and_the_times_of_files_do_not_count(files: dict[str, bytes], chance: object) -> None:
    shuffled = tree(files)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert of_tree([replace(entry, modified=1.0) for entry in shuffled]) == of_tree(tree(files))


def test_modes_links_folders_and_where_one_name_ends_count() -> None:
    plain = of_tree([file("a", b"bc")])

    assert of_tree([file("a", b"bc", 0o755)]) != plain
    assert of_tree([file("ab", b"c")]) != plain
    assert of_tree([file("a", b"bc"), Entry("d", "folder", 0o755)]) != plain
    assert of_tree([Entry("a", "link", target="b")]) != of_tree([Entry("a", "link", target="c")])


@pytest.mark.parametrize(("arguments", "program"), [(("1", "2"), ""), (("12",), ""), (("1", "2"), "true")])
def test_arguments_and_the_program_count(arguments: tuple[str, ...], program: str) -> None:
    parts: dict[str, dict[str, bytes]] = {"payload": {}, "start point": {}, "values and templates": {}}
    others = {(("1", "2"), ""), (("12",), ""), (("1", "2"), "true")} - {(arguments, program)}

    assert key_of(parts, arguments, program) not in {key_of(parts, *other) for other in others}


def test_which_files_are_kept_counts() -> None:
    parts: dict[str, dict[str, bytes]] = {"payload": {}, "start point": {}, "values and templates": {}}
    selections = [Selection(), Selection(include=("a",)), Selection(exclude=("a",)), Selection(include=("a", "b"))]

    assert len({key_of(parts, selection=selection) for selection in selections}) == len(selections)


@given(TREES, st.integers(1, 7))
def test_a_stream_goes_on_as_it_came_while_its_digests_are_taken(files: dict[str, bytes], piece: int) -> None:
    entries = [replace(entry.under("7"), content=BytesIO(files[entry.path])) for entry in tree(files)]
    seen = Passing()
    arrived: dict[str, bytes] = {}
    for entry in seen([Entry("7", "folder", 0o755), *entries]):
        while entry.kind == "file" and (block := entry.content.read(piece)):  # type: ignore[union-attr]
            arrived[entry.path] = arrived.get(entry.path, b"") + block
    again = Passing()
    for entry in again(entry.under("7") for entry in tree(files, 0o600)):
        list(entry.blocks())

    assert arrived == {f"7/{name}": content for name, content in files.items() if content}
    assert seen.of("7") == again.of("7")
    assert seen.of("8") != seen.of("7")
