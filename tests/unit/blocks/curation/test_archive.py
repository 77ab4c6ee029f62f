"""The archive of a deposit: any files come back, and its length is known before."""

from __future__ import annotations

import hashlib
import io
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.curation import wrapping
from blocks.curation.archive import Archive, length, listed
from blocks.curation.deposit_file import DepositFile
from blocks.curation.experiment import CuratedFile
from blocks.curation.orcid import is_orcid
from blocks.errors import CommandFailed

NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8)
PATH = st.lists(NAME.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=3).map("/".join)
SIZE = st.one_of(st.integers(0, 1000), st.sampled_from([65535, 2 * 65535, 65536, 200_000]))
FILES = st.dictionaries(PATH, st.binary(max_size=300), max_size=8)


def _files(files: dict[str, bytes]) -> list[CuratedFile]:
    return [CuratedFile(path, len(content), lambda content=content: iter([content])) for path, content in files.items()]


def _archive(files: dict[str, bytes]) -> Archive:
    return Archive([listed(file) for file in _files(files)], lambda: _files(files))


@given(FILES)
def test_any_files_come_back(files: dict[str, bytes]) -> None:
    archive = _archive(files)
    content = b"".join(archive.blocks())
    assert len(content) == archive.size
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == files


@given(FILES, st.integers(1, 400), st.integers(0, 4))
def test_the_length_is_right_where_a_zip_of_32_bits_is_too_small(files: dict[str, bytes], limit: int, count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", limit)
        patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", count)
        archive = _archive(files)
        assert len(b"".join(archive.blocks())) == archive.size == length((p, len(c)) for p, c in files.items())


def test_the_same_files_make_the_same_bytes() -> None:
    files = {"a": b"1", "b/c": b"2" * 1_000_000}
    first, second = (b"".join(_archive(files).blocks()) for _ in range(2))
    assert first == second


def test_a_large_archive_is_opened_by_another_program(tmp_path: Path) -> None:
    files = {f"folder {number}/file": bytes([number]) * 10_000 for number in range(200)}
    path = tmp_path / "run.zip"
    path.write_bytes(b"".join(_archive(files).blocks()))
    subprocess.run(["python3", "-m", "zipfile", "-e", path, tmp_path / "out"], check=True)
    assert {str(found.relative_to(tmp_path / "out")) for found in (tmp_path / "out").rglob("file")} == set(files)


@pytest.mark.parametrize("later", [{}, {"a": b"12"}, {"a": b"1", "b": b""}])
def test_files_that_change_meanwhile_are_told(later: dict[str, bytes]) -> None:
    versions = iter([{"a": b"1"}, later])
    archive = Archive([listed(file) for file in _files(next(versions))], lambda: _files(next(versions)))
    with pytest.raises(CommandFailed, match="try again"):
        list(archive.blocks())


@given(SIZE, st.integers(1, 200_000), st.sampled_from([1, 70_000, wrapping.LIMIT]))
def test_a_zip_around_a_zip_holds_it_and_its_length_is_known(size: int, block: int, limit: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wrapping, "LIMIT", limit)
        outer = b"".join(wrapping.wrapped("r\u00fcn.zip", size, (content[at : at + block] for at in range(0, size, block))))
        assert len(outer) == wrapping.length("r\u00fcn.zip", size)
    if limit == wrapping.LIMIT:
        with zipfile.ZipFile(io.BytesIO(outer)) as opened:
            assert opened.testzip() is None
            assert opened.read("r\u00fcn.zip") == content


@pytest.mark.parametrize("given_size", [0, 9, 11])
def test_what_has_another_size_than_was_told_is_not_wrapped(given_size: int) -> None:
    with pytest.raises(CommandFailed, match="try again"):
        list(wrapping.wrapped("run.zip", 10, [bytes(given_size)]))


def test_a_file_that_grows_while_it_is_read_is_told() -> None:
    grown = CuratedFile("a", 1, lambda: iter([b"12"]))
    with pytest.raises(CommandFailed, match="try again"):
        list(Archive([listed(grown)], lambda: [grown]).blocks())


def test_permissions_links_and_empty_folders_come_back(tmp_path: Path) -> None:
    target = b"bin/run.sh"
    there = [
        CuratedFile("bin", 0, lambda: iter(()), kind="folder", mode=0o750),
        CuratedFile("bin/run.sh", 3, lambda: iter([b"hi\n"]), mode=0o4755),
        CuratedFile("empty", 0, lambda: iter(()), kind="folder", mode=0o755),
        CuratedFile("latest", len(target), lambda: iter([target]), kind="link", mode=0o777),
    ]
    archive = Archive(list(map(listed, there)), lambda: there)
    content = b"".join(archive.blocks())
    assert len(content) == archive.size
    (tmp_path / "run.zip").write_bytes(content)
    subprocess.run(["unzip", "-q", tmp_path / "run.zip", "-d", tmp_path / "out"], check=True)
    assert (tmp_path / "out" / "latest").readlink() == Path("bin/run.sh")
    modes = {path: (tmp_path / "out" / path).stat().st_mode for path in ("bin", "bin/run.sh", "empty")}
    assert modes == {"bin": stat.S_IFDIR | 0o750, "bin/run.sh": stat.S_IFREG | 0o755, "empty": stat.S_IFDIR | 0o755}


@given(st.lists(st.binary(max_size=50)), st.sampled_from(["md5", "sha1", "sha256"]))
def test_a_file_knows_its_checksum_whether_or_not_it_has_passed(blocks: list[bytes], algorithm: str) -> None:
    content = b"".join(blocks)
    checksum = f"{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()}"
    other = f"{algorithm}:{hashlib.new(algorithm, content + b'!', usedforsecurity=False).hexdigest()}"
    for has_passed in (False, True):
        file = DepositFile("name", len(content), "text/plain", lambda: iter(blocks))
        assert not has_passed or b"".join(file.blocks()) == content
        assert (file.has(checksum), file.has(other)) == (True, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0000-0002-1825-0097", True), ("0000-0002-1694-233X", True), ("0000-0002-1825-0098", False), ("0000000218250097", False)],
)
def test_an_orcid_has_a_check_digit(text: str, expected: bool) -> None:
    assert is_orcid(text) is expected
