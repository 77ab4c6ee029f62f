"""Which output files are kept; and that a host leaves behind no file that would be kept, and every one that would not."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.remote.left_behind import removal
from blocks.selection import Selection
from blocks.work import OUTPUT

FILES = ("a.dat", "a.tmp", "core", "scratch/x.dat", "scratch/deep/y.tmp", "deep/scratch/z", "deep/a.dat", "it's $HOME/b.tmp")


def kept(**patterns: tuple[str, ...]) -> set[str]:
    selection = Selection(**patterns)
    return {path for path in FILES if selection.keeps(path)}


def test_without_patterns_everything_is_kept() -> None:
    assert kept() == set(FILES)


def test_a_name_is_looked_for_in_all_folders() -> None:
    assert kept(exclude=("*.tmp",)) == {"a.dat", "core", "scratch/x.dat", "deep/scratch/z", "deep/a.dat"}


def test_a_folder_stands_for_all_that_is_in_it() -> None:
    assert (
        kept(exclude=("scratch",)) == kept(exclude=("scratch/",)) == {"a.dat", "a.tmp", "core", "deep/a.dat", "it's $HOME/b.tmp"}
    )


def test_a_path_is_that_of_one_place() -> None:
    assert kept(include=("deep/scratch", "/a.dat", "s?ratch/*.dat")) == {"a.dat", "deep/scratch/z", "scratch/x.dat"}


def test_what_is_excluded_is_not_kept_though_it_is_included() -> None:
    assert kept(include=("*.dat",), exclude=("scratch",)) == {"a.dat", "deep/a.dat"}


def test_what_is_kept_always_needs_no_pattern() -> None:
    assert kept(include=("*.dat",), exclude=("core",), always=("core",)) >= {"core"}


@pytest.mark.parametrize("pattern", ["", "/", "a/../b", "a//b", "./a", "**/a", "a/**", "a\\b", "a\nb"])
def test_patterns_that_can_not_be_are_told(pattern: str) -> None:
    (problem,) = Selection(exclude=(pattern,)).problems()
    assert problem.startswith(f"exclude: {pattern!r} ")


def test_patterns_that_can_be_are_not() -> None:
    assert not Selection(("*", "a/b*", "/a", "a/", "[ab]?"), ("it's",)).problems()


parts = st.sampled_from(["a", "b", "ab", "a b", "it's", "$x", "-n", ".a", "ü", "(", OUTPUT, "result.json"])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join).filter(lambda path: not path.startswith("result.json/"))
plain = st.sampled_from(["*", "a", "a*", "*b", "a b", "it's", "$x", "-n", "*.a", "(", ".*", OUTPUT])
wild = plain | st.sampled_from(["?", "[ab]", "[!a]*", "a?", "ü", "??"])


def patterns(part: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    one = st.lists(part, min_size=1, max_size=3).map("/".join) | part.map("/{}".format) | part.map("{}/".format)
    return st.lists(one, max_size=3).map(tuple)


def left(files: set[str], selection: Selection, locale: str) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "7", OUTPUT)
        output.mkdir(parents=True)
        for path in sorted(files):
            if any((output / path).parents[number].is_file() for number in range(path.count("/"))) or (output / path).is_dir():
                continue
            (output / path).parent.mkdir(parents=True, exist_ok=True)
            (output / path).touch()
        before = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
        files &= before
        subprocess.run(
            ["sh", "-c", removal(selection), "sh", f"7/{OUTPUT}"],
            cwd=folder,
            check=True,
            env={"LC_ALL": locale, "PATH": "/usr/bin:/bin"},
        )
        return {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}


@settings(max_examples=80, deadline=None)
@given(st.sets(paths, max_size=12), patterns(plain), patterns(plain))
def test_a_host_leaves_behind_just_what_is_not_kept(files: set[str], include: tuple[str, ...], exclude: tuple[str, ...]) -> None:
    selection = Selection(include, exclude, ("result.json",))
    assert left(files, selection, "C.UTF-8") == {path for path in files if selection.keeps(path)}


@settings(max_examples=80, deadline=None)
@given(st.sets(paths, max_size=12), patterns(wild), patterns(wild), st.sampled_from(["C", "C.UTF-8"]))
def test_a_host_of_any_locale_leaves_behind_nothing_that_is_kept(
    files: set[str], include: tuple[str, ...], exclude: tuple[str, ...], locale: str
) -> None:
    selection = Selection(include, exclude, ("result.json",))
    assert left(files, selection, locale) >= {path for path in files if selection.keeps(path)}
