from __future__ import annotations

import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from nerq_cli.sources.advisories import zip_members
from nerq_cli.sources.advisories.zip_members import ZIP_ERRORS, MemberReader, ZipMember, list_members

MAX_BYTES = 10_000


def members_of(path: Path) -> list[ZipMember]:
    return list_members(path, (".json",))


def contents(path: Path) -> list[bytes | str]:
    """Return the content of each member, or the name of the error."""
    with MemberReader(path, max_bytes=MAX_BYTES) as reader:
        return [content_of(reader, member) for member in members_of(path)]


def content_of(reader: MemberReader, member: ZipMember) -> bytes | str:
    try:
        return reader.read(member)
    except ZIP_ERRORS as error:
        return type(error).__name__


def archive_of(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_no_stream_is_opened_for_a_member_as_it_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    members = {"a.json": b"one" * 100, "notes.txt": b"", "b.JSON": b"", "sub/c.json": b"three" * 1000}
    path = archive_of(tmp_path / "all.zip", members, compression)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    assert contents(path) == [b"one" * 100, b"", b"three" * 1000]


def test_an_archive_without_members_is_empty(tmp_path: Path) -> None:
    assert contents(archive_of(tmp_path / "all.zip", {})) == []


def test_members_with_a_description_after_their_content_are_read(tmp_path: Path) -> None:
    """Archives that are written to a pipe state sizes after the content."""

    class Pipe:
        def __init__(self, path: Path) -> None:
            self.file = path.open("wb")

        def write(self, data: bytes) -> int:
            return self.file.write(data)

        def flush(self) -> None:
            self.file.flush()

    pipe = Pipe(tmp_path / "all.zip")
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        archive.writestr("a.json", b"one")
        archive.writestr("b.json", b"two")
    pipe.file.close()
    assert contents(tmp_path / "all.zip") == [b"one", b"two"]


@pytest.mark.parametrize("comment", [b"", b"records"])
def test_a_member_whose_name_is_damaged_in_the_table_of_contents_is_an_error(tmp_path: Path, comment: bytes) -> None:
    path = archive_of(tmp_path / "all.zip", {"a.json": b"one", "notes.txt": b"", "b.json": b"two"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = comment
    content = path.read_bytes()
    position = content.rindex(b"a.json")
    path.write_bytes(content[:position] + b"a.jsoo" + content[position + 6 :])
    assert contents(path) == ["BadZipFile", b"two"]


def test_a_table_of_contents_without_all_members_is_an_error(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "all.zip", {"a.json": b"one", "b.json": b"two"})
    content = path.read_bytes()
    comment_length = content.index(b"PK\x01\x02") + 33  # its high byte: the comment swallows the next member
    path.write_bytes(content[:comment_length] + b"\x01" + content[comment_length + 1 :])
    with pytest.raises(zipfile.BadZipFile, match="1 members of 2"):
        members_of(path)


def test_what_is_before_the_archive_does_not_matter(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "all.zip", {"a.json": b"one"})
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert contents(path) == [b"one"]


def test_two_members_of_one_name_are_two(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a.json", b"one")
        archive.writestr("a.json", b"two")
    assert contents(tmp_path / "all.zip") == [b"one", b"two"]


def test_names_in_other_alphabets_are_read(tmp_path: Path) -> None:
    assert contents(archive_of(tmp_path / "all.zip", {"\u00e9.json": b"one", "\u4e2d.json": b"two"})) == [
        b"one",
        b"two",
    ]


def test_compression_that_only_the_library_knows_is_read(tmp_path: Path) -> None:
    assert contents(archive_of(tmp_path / "all.zip", {"a.json": b"one" * 50}, zipfile.ZIP_BZIP2)) == [b"one" * 50]


def test_no_more_than_the_limit_and_one_byte_is_decompressed(tmp_path: Path) -> None:
    assert contents(archive_of(tmp_path / "all.zip", {"a.json": b" " * 9 * MAX_BYTES})) == [b" " * (MAX_BYTES + 1)]


def test_content_that_is_longer_than_stated_is_an_error(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "all.zip", {"a.json": b"x" * 100})
    path.write_bytes(path.read_bytes().replace(struct.pack("<L", 100), struct.pack("<L", 10)))
    assert contents(path) == ["BadZipFile"]


def test_content_that_does_not_match_its_checksum_is_an_error_and_the_next_is_read(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "all.zip", {"a.json": b"x" * 100, "b.json": b"two"}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"xx", b"xy", 1))
    assert contents(path) == ["BadZipFile", b"two"]


def test_damaged_compression_is_an_error(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4
    path = archive_of(tmp_path / "all.zip", {"a.json": content, "b.json": b"two"})
    compressor = zlib.compressobj(wbits=-15)
    compressed = compressor.compress(content) + compressor.flush()
    assert compressed in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(compressed, b"\xff" * len(compressed)))
    assert contents(path) == ["error", b"two"]


def test_members_that_share_their_content_are_left_to_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive of a few kilobytes could otherwise hold terabytes; newer releases of Python refuse it."""
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b"x" * 100)
        [member] = archive.filelist
        archive.filelist.append(member)
    opened = []
    open_member = zipfile.ZipFile.open

    def record_open(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
        opened.append(member)
        return open_member(archive, member)

    monkeypatch.setattr(zipfile.ZipFile, "open", record_open)
    assert len(contents(path)) == 2
    assert len(opened) == 2


def test_a_header_in_another_place_than_stated_is_an_error(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "all.zip", {"a.json": b"one", "b.json": b"two"})
    data = path.read_bytes()
    for place in (5, 2**31):
        with zipfile.ZipFile(path) as archive:
            offset = archive.filelist[1].header_offset
        directory = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
        field = directory + 42
        assert struct.unpack_from("<L", data, field)[0] == offset
        changed = data[:field] + struct.pack("<L", place) + data[field + 4 :]
        (tmp_path / "changed.zip").write_bytes(changed)
        first, second = contents(tmp_path / "changed.zip")
        assert first in (b"one", "BadZipFile")  # Python 3.13 refuses both of two members that overlap
        assert second == "BadZipFile"


def write_members(path: Path, *, extra: bytes = b"", comment: bytes = b"", names: tuple[str, ...] = ()) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = comment
        for number, name in enumerate(names or ("a.json", "notes.txt", "B.JSON", "sub/c.json")):
            member = zipfile.ZipInfo(name)
            member.extra = extra
            archive.writestr(member, bytes([number]) * number)
    return path


#: An extended timestamp, as Go's archive/zip writes it.
TIME = b"UT\x05\x00\x01\x00\x00\x00\x00"


@pytest.mark.parametrize("extra", [b"", TIME])
@pytest.mark.parametrize("is_zip64", [False, True])
def test_a_usual_table_of_contents_is_read_as_the_library_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: bytes, *, is_zip64: bool
) -> None:
    if is_zip64:
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    path = write_members(tmp_path / "all.zip", extra=extra)
    assert (b"PK\x06\x06" in path.read_bytes()) is is_zip64
    expected = [member for member in zip_members._list_with_library(path) if member.name != "notes.txt"]  # noqa: SLF001 - compared with it
    monkeypatch.setattr(zip_members, "_list_with_library", None)
    assert list_members(path, (".json",)) == expected
    assert [member.position for member in expected] == [0, 2, 3]


def change(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


@pytest.mark.parametrize(
    "unusual",
    [
        lambda path: write_members(path, comment=b"a comment"),
        lambda path: write_members(path, names=("a.json", "\u00e9.json")),
        lambda path: write_members(path, names=("a.json", "b\\c.json")),
        lambda path: write_members(path, extra=b"\x99\x99\x00\x00"),
        lambda path: write_members(path, extra=TIME + b"\x01\x00\x00\x00"),
        lambda path: path.write_bytes(b"before" + write_members(path).read_bytes()),
        lambda path: path.write_bytes(write_members(path).read_bytes() + b"after"),
    ],
)
def test_an_unusual_table_of_contents_is_left_to_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unusual: Callable[[Path], object]
) -> None:
    path = tmp_path / "all.zip"
    unusual(path)
    members = list_members(path, (".json",))
    assert members[0].name == "a.json"
    listed = []
    list_with_library = zip_members._list_with_library  # noqa: SLF001 - its calls are counted

    def observe(path: Path) -> list[ZipMember]:
        listed.append(path)
        return list_with_library(path)

    monkeypatch.setattr(zip_members, "_list_with_library", observe)
    assert list_members(path, (".json",)) == members
    assert listed == [path]


@pytest.mark.parametrize("size", [0, 10, 21, 60, 150])
def test_a_part_of_an_archive_is_no_archive(tmp_path: Path, size: int) -> None:
    path = write_members(tmp_path / "all.zip")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(zipfile.BadZipFile):
        list_members(path, (".json",))


@pytest.mark.parametrize(("old", "new"), [(b"PK\x01\x02", b"PK\x01\x03"), (b"\x14\x00\x00\x00", b"\x40\x00\x00\x00")])
def test_a_damaged_table_of_contents_and_a_newer_format_are_errors(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = write_members(tmp_path / "all.zip")
    change(path, old, new)
    with pytest.raises(ZIP_ERRORS):
        list_members(path, (".json",))
