"""What is written to a place that a user names: links stay links, pipes stay pipes, files are whole."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from partwise import InputError, WorkError
from partwise.storage.outputs import write_output


def test_a_symbolic_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "file"
    target.write_text("old")
    (tmp_path / "second").symlink_to(target)
    (tmp_path / "first").symlink_to("second")
    before = target.stat().st_ino
    write_output(tmp_path / "first", "new")
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_ino != before, "replaced whole, not written over"
    assert os.listdir(tmp_path / "elsewhere") == ["file"]


def test_a_link_that_leads_to_nothing_yet_makes_its_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("later")
    write_output(tmp_path / "link", b"here")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "later").read_bytes() == b"here"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, text = tmp_path / "pipe", "a line\n" * 50_000  # more than a pipe holds
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_output(pipe, text)
    reader.join(10)
    assert read == [text]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_devices_are_written_to() -> None:
    write_output(Path("/dev/null"), "gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(WorkError, match=r"cannot write /dev/full: No space left on device"):
        write_output(Path("/dev/full"), "too much")


def test_permissions_stay(tmp_path: Path) -> None:
    place = tmp_path / "private"
    place.write_text("old")
    place.chmod(0o640)
    write_output(place, "new")
    assert stat.S_IMODE(place.stat().st_mode) == 0o640


def test_what_cannot_be_written_is_refused_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"it is a directory; name a file in it"):
        write_output(tmp_path, "text")
    with pytest.raises(InputError, match=r"the directory .*gone does not exist"):
        write_output(tmp_path / "gone" / "file", "text")
    (tmp_path / "file").write_text("old")
    with pytest.raises(InputError, match=r"the directory .*file is a file|Not a directory"):
        write_output(tmp_path / "file" / "file", "text")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(InputError, match="symbolic links"):
        write_output(tmp_path / "circle", "text")
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # as root, everything may be written
    with pytest.raises(InputError, match="you have no permission"):
        write_output(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "old"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "file"
    place.write_text("old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkError, match=r"cannot write .*file: No space left on device; whatever was there before"):
        write_output(place, "new")
    assert place.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
