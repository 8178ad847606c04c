"""Files that clients send: where they lie, which paths are refused, which of them is the model."""

import stat

import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.repository.upload import Upload
from zeromind.scratch import Scratch


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A folder for temporary files of our own, and in it one server's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = Scratch()
    yield made
    made.close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def upload(scratch):
    return lambda *names: Upload({name: name.encode() for name in names}, scratch)


def test_files_lie_in_a_private_folder_until_they_are_removed(upload):
    sent = upload("file:1/model.onnx", "1/weights/a.bin")
    assert (sent.folder / "1/model.onnx").read_bytes() == b"file:1/model.onnx"
    assert (sent.folder / "1/weights/a.bin").read_bytes() == b"1/weights/a.bin"
    assert stat.S_IMODE(sent.folder.stat().st_mode) == 0o700
    sent.remove()
    sent.remove()
    assert not sent.folder.exists()


@pytest.mark.parametrize(
    ("names", "model"),
    [
        (["1/net.onnx"], "1/net.onnx"),
        (["net.keras"], "net.keras"),
        (["1/model.onnx", "1/model.bin.data", "1/x"], "1/model.onnx"),
        (["1/a", "1/b"], "1"),
        (["1/a", "labels.txt"], "."),
    ],
)
def test_the_model_is_found_among_them(upload, names, model):
    assert upload(*names).model_file == model


@pytest.mark.proves("T3")
@pytest.mark.parametrize(
    "name", ["", ".", "/etc/x", "../x", "1/../../x", "1//x", "1/./x", "1/", "a\0b", "a\nb", "a\\b", "x" * 600, "file:/x", "y" * 300]
)
def test_a_path_that_leads_elsewhere_is_refused(upload, name):
    with pytest.raises(ZeroMindError) as caught:
        upload("1/model.onnx", name)
    assert caught.value.kind is ErrorKind.REQUEST_ATTRIBUTE


def test_a_file_that_is_anothers_folder_leaves_nothing(upload, tmp_path):
    for names in (["a", "a/b"], ["a", "file:a"]):
        with pytest.raises(ZeroMindError) as caught:
            upload(*names)
        assert caught.value.kind is ErrorKind.REQUEST_ATTRIBUTE
    assert [list(root.iterdir()) for root in tmp_path.iterdir()] == [[]]


@pytest.mark.parametrize("count", [0, 1001])
def test_their_number_is_bounded(upload, count):
    with pytest.raises(ZeroMindError, match="1 to 1000 files"):
        upload(*map(str, range(count)))
