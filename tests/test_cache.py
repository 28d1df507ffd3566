"""The cache: where it is, how large it gets, and what happens where nothing can be written."""

import os
from pathlib import Path

import pytest

import elq.cache
from elq.cache import cache_folder, cache_limit, mark_used, trim, writable_cache
from elq.errors import ElqError


def test_variables_choose_the_folder():
    assert cache_folder({"ELQ_CACHE": "~/mine", "XDG_CACHE_HOME": "/x"}) == Path.home() / "mine"
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/elq")
    assert cache_folder({}) == Path.home() / ".cache" / "elq"


@pytest.mark.parametrize("value", ["much", "-1", "nan"])
def test_a_bad_limit_is_one_sentence(value):
    with pytest.raises(
        ElqError, match=rf"^ELQ_CACHE_GB is '{value}', but must be a number of gigabytes.*correct the variable$"
    ):
        cache_limit({"ELQ_CACHE_GB": value})
    assert cache_limit({"ELQ_CACHE_GB": "0.5"}) == 500_000_000
    assert cache_limit({}) == 10_000_000_000


def test_what_was_used_longest_ago_is_deleted_first(tmp_path):
    for number, name in enumerate("abcd"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "table").write_bytes(b"x" * 100)
        mark_used(tmp_path / name)
        os.utime(tmp_path / name / ".used", (number, number))
    (tmp_path / ".building").mkdir()
    (tmp_path / ".building" / "table").write_bytes(b"x" * 1000)
    mark_used(tmp_path / "a")  # now the latest
    assert [path.name for path in trim(tmp_path, tmp_path / "d", 250)] == ["b", "c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".building", "a", "d"]
    assert [path.name for path in trim(tmp_path, tmp_path / "d", 0)] == ["a"]  # the one in use stays


def test_a_home_that_cannot_be_written_to_gives_a_temporary_folder(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "file" / "below"))
    elq.cache._temporary.cache_clear()
    folder = writable_cache()
    assert folder.is_dir()
    assert "set ELQ_CACHE to a folder that can be written to" in caplog.text
    assert writable_cache() == folder  # the same one in the whole process
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "new"))
    assert writable_cache() == tmp_path / "new"
