"""What every storage resource must do: a suite that each kind inherits, with a fixture ``storage`` of its own."""

from __future__ import annotations

import io
import resource
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.errors import CommandFailed, InvalidRequest, NotFound, Unreachable
from blocks.storage import StorageResource
from blocks.tree import Entry, file, folder

DAY = 1_700_000_000.0
AWKWARD = 'it\'s "quoted" $HOME; é ☃ -n *\n'
LARGE = 200 * 1024 * 1024

Picture = dict[str, tuple[str, int, int, object]]

TREE = [
    Entry("bin", "folder", 0o750, DAY),
    Entry("bin/run.sh", "file", 0o755, DAY + 1, 3, b"hi\n"),
    Entry("data", "folder", 0o755, DAY + 2),
    Entry("data/empty", "folder", 0o755, DAY + 3),
    Entry("data/empty file", "file", 0o644, DAY + 4, 0, b""),
    Entry("data/raw", "file", 0o600, DAY + 5, 256, bytes(range(256))),
    Entry(f"data/{AWKWARD}", "file", 0o644, DAY + 6, 1, b"x"),
    Entry("dangling", "link", 0o777, 0.0, target="nowhere/at all"),
    Entry("latest", "link", 0o777, 0.0, target="data/raw"),
]


def picture(tree: Iterator[Entry] | list[Entry]) -> Picture:
    """A tree as something to compare: kinds, modes, whole seconds and contents."""
    seen: Picture = {}
    for entry in tree:
        assert entry.path not in seen
        content = entry.target if entry.kind == "link" else b"".join(entry.blocks()) if entry.kind == "file" else b""
        time = 0 if entry.kind == "link" else int(entry.modified)
        seen[entry.path] = (entry.kind, 0o777 if entry.kind == "link" else entry.mode, time, content)
    return seen


def broken(tree: list[Entry]) -> Iterator[Entry]:
    yield from tree
    raise Unreachable("the host went away")


class Zeros:
    """A stream without end."""

    def read(self, size: int, /) -> bytes:
        return bytes(size)


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 200
)
times = st.integers(1, 2**31 - 1).map(float)
leaves = st.one_of(
    st.builds(
        lambda mode, time, content: ("file", mode, time, content), st.integers(0o400, 0o777), times, st.binary(max_size=300)
    ),
    st.builds(lambda target: ("link", 0o777, 0.0, target), names),
)
folders = st.recursive(
    st.dictionaries(names, leaves, max_size=4), lambda deeper: st.dictionaries(names, leaves | deeper, max_size=4), max_leaves=12
)


def entries(tree: dict[str, object], above: str = "") -> Iterator[Entry]:
    for name, node in sorted(tree.items()):
        if isinstance(node, dict):
            yield Entry(above + name, "folder", 0o755, DAY)
            yield from entries(node, f"{above}{name}/")
        else:
            kind, mode, time, content = node  # pyright: ignore
            if kind == "file":
                yield Entry(above + name, "file", mode, time, len(content), content)
            else:
                yield Entry(above + name, "link", mode, time, target=content)


class StorageContract:
    def test_a_tree_comes_back_as_it_was_stored(self, storage: StorageResource) -> None:
        storage.store("a/tree", TREE)
        assert picture(storage.tree("a/tree")) == picture(TREE)

    def test_a_tree_comes_sorted(self, storage: StorageResource) -> None:
        storage.store("t", [file("b", b""), file("a/z", b""), file("a/b", b""), file("a.b", b"")])
        assert [entry.path for entry in storage.tree("t")] == ["a", "a/b", "a/z", "a.b", "b"]

    # Each example replaces the tree of the one before; each kind of storage runs the same law.
    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(tree=folders)
    def test_storing_and_reading_any_tree_changes_nothing(self, storage: StorageResource, tree: dict[str, object]) -> None:
        storage.store("law", entries(tree))
        assert picture(storage.tree("law")) == picture(entries(tree))

    def test_names_that_are_not_utf8_are_written(self, storage: StorageResource) -> None:
        storage.write("odd/\udcff\udcfe", b"content")
        assert storage.read("odd/\udcff\udcfe") == b"content"

    def test_an_empty_tree_is_an_empty_folder(self, storage: StorageResource) -> None:
        storage.store("nothing", [])
        assert storage.list("nothing") == []

    def test_storing_replaces_what_stood_there(self, storage: StorageResource) -> None:
        storage.write("x/old", b"file")
        storage.store("x", [file("new", b"1")])
        assert storage.list("x") == ["new"]
        storage.write("x", b"a file now")
        assert storage.read("x") == b"a file now"
        storage.store("x", [file("again", b"2")])
        assert storage.list("") == ["x"]

    def test_small_files_are_written_and_read(self, storage: StorageResource) -> None:
        storage.write("deep/er/run.json", b"{}")
        storage.write("deep/er/run.json", b"{ }")
        assert storage.read("deep/er/run.json") == b"{ }"
        assert storage.exists("deep/er")
        assert storage.list("deep/er") == ["run.json"]

    def test_one_file_is_read_by_itself_as_often_as_it_is_asked_for(self, storage: StorageResource) -> None:
        storage.store("a/tree", TREE)
        for _ in range(2):
            assert b"".join(storage.blocks("a/tree/data/raw")) == bytes(range(256))
        assert b"".join(storage.blocks("a/tree/data/empty file")) == b""
        assert b"".join(storage.blocks("a/tree/latest")) == bytes(range(256))

    def test_what_is_missing_is_said_to_be(self, storage: StorageResource) -> None:
        storage.write("here", b"")
        assert not storage.exists("gone")
        for ask in (
            storage.read,
            storage.list,
            lambda path: next(storage.tree(path), None),
            lambda path: next(storage.blocks(path), None),
        ):
            with pytest.raises(NotFound, match="gone"):
                ask("gone")

    def test_outputs_of_tasks_land_together(self, storage: StorageResource) -> None:
        storage.write("output_1/2/stale", b"")
        storage.write("output_1/other/kept", b"")
        outputs = [file(f"{task}/out.txt", str(task).encode()) for task in range(40)]
        assert storage.collect("output_1", outputs) == sorted(str(task) for task in range(40))
        assert storage.list("output_1") == sorted(["other", *(str(task) for task in range(40))])
        assert storage.list("output_1/2") == ["out.txt"]
        assert storage.read("output_1/39/out.txt") == b"39"

    def test_a_stream_that_breaks_off_leaves_nothing(self, storage: StorageResource) -> None:
        storage.write("results/kept/old", b"old")
        with pytest.raises(Unreachable, match="went away"):
            storage.collect("results", broken([file("kept/new", b""), file("one/a", b"")]))
        with pytest.raises(Unreachable):
            storage.store("results/kept", broken([file("new", b"")]))
        assert picture(storage.tree("")).keys() == {"results", "results/kept", "results/kept/old"}

    def test_content_that_ends_early_leaves_nothing(self, storage: StorageResource) -> None:
        with pytest.raises(CommandFailed, match="short"):
            storage.store("t", [Entry("short", "file", size=10, content=io.BytesIO(b"123"))])
        assert not storage.exists("t")

    @pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/etc/passwd", "a/.."])
    def test_paths_stay_inside(self, storage: StorageResource, path: str) -> None:
        for ask in (storage.read, storage.list, storage.exists, storage.remove, storage.describe):
            with pytest.raises(InvalidRequest, match="inside the storage"):
                ask(path)
        with pytest.raises(InvalidRequest, match="inside the storage"):
            storage.store(path, [])

    def test_the_base_folder_is_neither_replaced_nor_removed(self, storage: StorageResource) -> None:
        for ask in (lambda: storage.remove(""), lambda: storage.store(".", [])):
            with pytest.raises(InvalidRequest, match="base folder"):
                ask()

    @pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "a//x", "a/.", ".."])
    def test_entries_stay_inside(self, storage: StorageResource, path: str) -> None:
        with pytest.raises(CommandFailed, match="outside"):
            storage.collect("t", [file(path, b"")])
        assert not storage.exists("x")

    def test_nothing_is_written_through_a_link(self, storage: StorageResource) -> None:
        storage.write("target/precious", b"precious")
        way_out = Entry("a/out", "link", target="../../../../target")
        with pytest.raises(CommandFailed):
            storage.collect("t", [way_out, file("a/out/precious", b"overwritten")])
        assert storage.read("target/precious") == b"precious"

    def test_removing_takes_the_whole_tree_and_only_that(self, storage: StorageResource) -> None:
        storage.store("tree", TREE)
        storage.write("kept", b"")
        storage.store("links", [Entry("to-kept", "link", target="../kept")])
        storage.remove("tree")
        storage.remove("links")
        storage.remove("never/there")
        assert storage.list("") == ["kept"]

    def test_a_copy_is_a_second_tree(self, storage: StorageResource) -> None:
        storage.store("output_1", TREE)
        storage.copy("output_1", "output")
        storage.write("output/bin/run.sh", b"changed")
        assert picture(storage.tree("output_1")) == picture(TREE)
        with pytest.raises(InvalidRequest, match="itself"):
            storage.copy("output", "output/inner")
        with pytest.raises(NotFound):
            storage.copy("gone", "output")
        assert storage.exists("output/bin")

    def test_an_alias_shows_the_same_tree_and_takes_the_place_of_what_was_there(self, storage: StorageResource) -> None:
        storage.store("run/output_0", TREE)
        storage.store("run/output_1", TREE)
        storage.store("run/output", [file("old", b"")])
        storage.alias("run/output_0", "run/output")
        storage.alias("run/output_1", "run/output")
        assert picture(storage.tree("run/output")) == picture(TREE)
        with pytest.raises(NotFound):
            storage.alias("run/gone", "run/output")

    def test_the_check_says_what_works(self, storage: StorageResource) -> None:
        assert "can be written and read" in storage.check()[0]
        assert storage.list("") == []

    def test_it_works_again_after_close(self, storage: StorageResource) -> None:
        storage.write("a", b"1")
        storage.close()
        storage.close()
        assert storage.read("a") == b"1"

    def test_a_large_file_needs_little_memory(self, storage: StorageResource) -> None:
        storage.write("warm", b"")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        storage.store("big", [Entry("zeros", "file", size=LARGE, content=Zeros()), folder("after")])
        (_, large) = storage.tree("big")
        assert sum(len(block) for block in large.blocks()) == LARGE
        assert sum(len(block) for block in storage.blocks("big/zeros")) == LARGE
        storage.remove("big")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KB
