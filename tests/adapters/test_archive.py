import contextlib
import gzip
import io
import os
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zeromind.adapters import archive
from zeromind.errors import ErrorKind, ZeroMindError


def member(name, data=b"x", type_=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), type_, link
    return info, data


def pack(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as packed:
        for info, data in members:
            packed.addfile(info, io.BytesIO(data))
    return path


def refused(path, **limits):
    with pytest.raises(ZeroMindError) as caught, archive.unpacked(path, **limits):
        pytest.fail("it was unpacked")
    assert caught.value.kind is ErrorKind.LOAD_FAILED
    return caught.value.message


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_plain_files_come_out_as_they_went_in_and_vanish_at_the_end(tmp_path, mode):
    data = os.urandom(300_000)
    path = pack(tmp_path / "x", member("./a", data), member("sub/", b"", tarfile.DIRTYPE), member("sub/b", b""), member("new/c"), mode=mode)
    with archive.unpacked(path) as folder:
        assert (folder / "a").read_bytes() == data
        assert {str(found.relative_to(folder)) for found in folder.rglob("*")} == {"a", "sub", "sub/b", "new", "new/c"}
    assert not folder.exists()
    assert archive.names(path) == {"a", "sub/b", "new/c"}


@pytest.mark.proves("T10")
@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "a//b", "C:x", "a\\b", "", ".."])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    assert "no plain name" in refused(pack(tmp_path / "x", member("fine"), member(name)))
    assert not (tmp_path.parent / "x").exists()


@pytest.mark.proves("T10")
@pytest.mark.parametrize(
    "type_",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE],
)
def test_special_files_are_refused(tmp_path, type_):
    assert refused(pack(tmp_path / "x", member("dir/s", b"", type_, link="fine")))


@pytest.mark.proves("T10")
def test_a_file_through_an_earlier_link_is_refused(tmp_path):
    path = pack(tmp_path / "x", member("way", b"", tarfile.SYMTYPE, link=str(tmp_path)), member("way/in"))
    assert "link" in refused(path)
    assert not (tmp_path / "in").exists()


def test_the_same_name_twice_is_refused(tmp_path):
    assert refused(pack(tmp_path / "x", member("a"), member("a")))
    assert refused(pack(tmp_path / "x", member("a"), member("a/b")))


def test_deep_and_long_names_are_refused(tmp_path):
    assert "deep" in refused(pack(tmp_path / "x", member("/".join("a" * 17))))
    assert "too long" in refused(pack(tmp_path / "x", member("a" * 256)))
    assert "too long" in refused(pack(tmp_path / "x", member("/".join(["a" * 120] * 10))))


def test_too_many_members_are_refused(tmp_path):
    assert "10000 members" in refused(pack(tmp_path / "x", *(member(f"{number}", b"") for number in range(10_001)), mode="w"))


def test_bombs_are_refused_before_they_fill_the_disk(tmp_path):
    assert "more than it may" in refused(pack(tmp_path / "x", member("zeros", bytes(64 << 20))))


def test_more_bytes_than_allowed_are_refused(tmp_path):
    path = pack(tmp_path / "x", member("noise", os.urandom(200_000)))
    assert "more than it may" in refused(path, most_bytes=100_000)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_header_that_swells_is_refused_before_it_is_held(tmp_path, kind):
    noise = os.urandom(2 << 20)
    assert "header" in refused(pack(tmp_path / "x", member("long", noise, kind), member("a")))


def test_what_is_cut_off_is_refused(tmp_path):
    whole = pack(tmp_path / "x", member("a", os.urandom(50_000))).read_bytes()
    for size in (0, 1, 20, 1000, len(whole) // 2, len(whole) - 8):
        (tmp_path / "cut").write_bytes(whole[:size])
        assert "no whole archive" in refused(tmp_path / "cut")


def test_listing_stops_after_what_matters(tmp_path):
    path = pack(tmp_path / "x", member("first", bytes(65 << 20)), member("second"), mode="w")
    assert archive.names(path) == {"first"}


@given(st.binary(max_size=2000), st.sampled_from([b"", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x5d\x00\x00"]), st.integers(0, 3000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_noise_is_no_archive(tmp_path, noise, magic, cut):
    path = tmp_path / "noise"
    path.write_bytes(magic + noise)
    archive.names(path)
    if noise.strip(b"\0"):
        refused(path)
    whole = bytearray(gzip.decompress(pack(tmp_path / "x", member("a", b"y" * 700), member("b")).read_bytes()))
    whole[cut : cut + len(noise)] = noise
    path.write_bytes(whole)
    archive.names(path)
    with contextlib.suppress(ZeroMindError), archive.unpacked(path) as folder:
        assert all(found.resolve().is_relative_to(folder.resolve()) and not found.is_symlink() for found in folder.rglob("*"))
