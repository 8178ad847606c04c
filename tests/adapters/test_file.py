import io
import tarfile
import zipfile

import h5py
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zeromind.adapters.file import ModelFile


def test_a_folder_has_no_head(tmp_path):
    file = ModelFile(tmp_path)
    assert file.is_folder
    assert (file.head, file.zip_names, file.tar_names, file.is_hdf5) == (b"", frozenset(), frozenset(), False)


def test_the_head_is_64_kib_at_most(tmp_path):
    (tmp_path / "m.BIN").write_bytes(b"ab" * 50_000)
    file = ModelFile(tmp_path / "m.BIN")
    assert file.head == b"ab" * (1 << 15)
    assert file.suffix == ".bin"


def test_hdf5_is_known_by_its_content(tmp_path):
    with h5py.File(tmp_path / "m", "w") as made:
        made["x"] = 1
    assert ModelFile(tmp_path / "m").is_hdf5


def test_the_members_of_a_zip_are_listed(tmp_path):
    with zipfile.ZipFile(tmp_path / "m", "w") as made:
        made.writestr("config.json", "{}")
        made.writestr("sub/weights", b"")
    file = ModelFile(tmp_path / "m")
    assert file.zip_names == {"config.json", "sub/weights"}
    assert file.tar_names == frozenset()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_the_members_of_a_tar_are_listed_without_their_dot(tmp_path, mode):
    with tarfile.open(tmp_path / "m", mode) as made:
        for name in ("./model.jbl", "input_spec.json"):
            made.addfile(tarfile.TarInfo(name), io.BytesIO())
    file = ModelFile(tmp_path / "m")
    assert file.tar_names == {"model.jbl", "input_spec.json"}
    assert file.zip_names == frozenset()


def test_an_absent_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        _ = ModelFile(tmp_path / "none").head


@given(st.binary(max_size=500), st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b"\x80\x04"]), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_looking_at_noise_never_fails(tmp_path, noise, magic, ended):
    stream = io.BytesIO()
    zipfile.ZipFile(stream, "w").close()
    (tmp_path / "m").write_bytes(magic + noise + (stream.getvalue() if ended else b""))
    file = ModelFile(tmp_path / "m")
    _ = (file.zip_names, file.tar_names, file.is_hdf5)


@given(st.binary(min_size=1, max_size=40), st.integers(0, 400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_damaged_zip_is_no_zip_at_worst(tmp_path, noise, place):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("config.json", "{}")
        made.writestr("sub/weights", b"1234")
    data = bytearray(stream.getvalue())
    data[place : place + len(noise)] = noise
    (tmp_path / "m").write_bytes(data)
    _ = ModelFile(tmp_path / "m").zip_names
