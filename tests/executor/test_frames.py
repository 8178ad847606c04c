"""Control frames: what goes in comes out; anything else is a FrameError."""

import json
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import frames
from zeromind.tensors import Run

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_messages_cross_unchanged(message):
    frame = frames.pack(message)
    assert frames.unpack_prefix(frame[: frames.PREFIX.size]) == len(frame) - frames.PREFIX.size
    assert frames.unpack(memoryview(frame)[frames.PREFIX.size :]) == message


def test_the_bytes_of_one_frame():
    assert frames.pack({"a": [1, "b"]}) == struct.pack("<I", 13) + b'{"a":[1,"b"]}'


@given(
    st.builds(
        ZeroMindError,
        st.sampled_from(ErrorKind),
        st.text(max_size=10),
        st.none() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    )
)
def test_faults_cross_unchanged(fault):
    got = frames.fault_from_json(frames.unpack(frames.pack(frames.fault_to_json(fault))[frames.PREFIX.size :]))
    assert (got.kind, got.message, got.params) == (fault.kind, fault.message, fault.params)


@pytest.mark.parametrize(
    "said", [b'{"a": "x\\ud800", "\\ude00": ["\\ud83d\\ude00"]}', b'{"a": "x\\uD800", "\\udfff": ["\xf0\x9f\x98\x80"]}']
)
def test_half_a_letter_is_told_as_a_question(said):
    message = frames.unpack(said)
    assert message == {"a": "x?", "?": ["\N{GRINNING FACE}"]}
    json.dumps(message, ensure_ascii=False).encode()


def test_a_fault_has_words_of_bounded_length():
    told = frames.fault_from_json({"kind": "LOAD_FAILED", "message": ["x" * 10_000_000], "params": []})
    assert told.message.startswith("['xxx")
    assert len(told.message) == 1 << 16


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1e-9])
def test_times_that_none_can_be_are_refused(seconds):
    frames.check_run(Run(1, 0.0, 1.5, 3600.0))
    for place in range(3):
        with pytest.raises(frames.FrameError):
            frames.check_run(Run(1, *(seconds if at == place else 0.0 for at in range(3))))


def test_parameters_that_json_has_no_form_for_become_text():
    error = ZeroMindError(ErrorKind.FILTER_FAILED, "m", {1}, b"x", {("a",): 1})
    assert frames.fault_from_json(frames.fault_to_json(error)).params == ("{1}", "b'x'", {})


def test_a_frame_beyond_the_bounds_is_refused_before_it_is_read():
    assert frames.unpack_prefix(struct.pack("<I", frames.MOST_BYTES)) == frames.MOST_BYTES
    with pytest.raises(frames.FrameError):
        frames.unpack_prefix(struct.pack("<I", frames.MOST_BYTES + 1))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"5", b"\xff", b'{"a": "\xed\xa0\x80"}', b"[" * 100_000])
def test_a_message_that_is_no_object_is_refused(text):
    with pytest.raises(frames.FrameError):
        frames.unpack(text)


@pytest.mark.parametrize(
    "entry",
    [{}, {"kind": "NONE", "message": "", "params": []}, {"kind": "INTERNAL", "params": []}, {"kind": [], "message": "", "params": []},
     {"kind": "INTERNAL", "message": "", "params": 5}],
)  # fmt: skip
def test_what_is_no_fault_is_refused(entry):
    with pytest.raises(frames.FrameError):
        frames.fault_from_json(entry)


PLACES = ("executor", "http", "grpc", "codecs", "scheduler", "repository", "config", "engine.py", "regions.py", "tensors.py")


@pytest.mark.proves("T8")
def test_t8_nothing_between_server_worker_and_client_is_pickled():
    source = Path(frames.__file__).parents[1]
    files = [file for place in PLACES for file in (source / place).rglob("*.py")] + [source / place for place in PLACES if "." in place]
    assert len(files) > 80
    used = re.compile(r"\b(pickle|cPickle|dill|cloudpickle|marshal|shelve|joblib|multiprocessing|allow_pickle=True)\b")
    found = {str(file): used.findall(re.sub(r"(?s)\"\"\".*?\"\"\"|#[^\n]*|\"[^\"\n]*\"", "", file.read_text())) for file in files}
    assert not {file: words for file, words in found.items() if words}
