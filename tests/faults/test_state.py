"""The disk is full, must not be written, or holds rubbish: predictions go on, changes are refused in words, and nobody crashes."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from faults.versions import NAME, config, task, versioned

FULL = "mount -t tmpfs -o size=1m tmpfs"
READ_ONLY = "mount -o remount,bind,ro"
CONFIGURED = task(100, "fixed")


def can_mount():
    unshare = shutil.which("unshare")
    command = [unshare, "-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return unshare is not None and subprocess.run(command, check=False, capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="mounting needs user namespaces")


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A folder that servers of this test see through a mount of their own, which ``disk.mount`` says."""

    class Disk:
        path = tmp_path / "disk"
        mount = ""

        def seen_by(self, server):
            """Where the server's view of it is."""
            return Path(f"/proc/{server.process.pid}/root{self.path}")

        def fill(self, server):
            with (self.seen_by(server) / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(512))

        def empty(self, server):
            (self.seen_by(server) / "filler").unlink()

        def permit_writing(self, server):
            inside = [shutil.which("nsenter"), "-t", str(server.process.pid), "-U", "-m", "--preserve-credentials"]
            subprocess.run([*inside, "mount", "-o", "remount,bind,rw", self.path], check=True)

        def start(self, spawn, **keys):
            script = tmp_path / "inside"
            script.write_text(f"""#!/bin/sh
exec unshare -Urm sh -c 'mount --bind "$0" "$0" && {self.mount} "$0" && exec {sys.executable} "$@"' {self.path} "$@"
""")
            script.chmod(0o755)
            with monkeypatch.context() as patch:
                patch.setattr("sys.executable", str(script))
                return versioned(spawn, tmp_path, **{"state_dir": str(self.path), **keys})

    Disk.path.mkdir()
    return Disk()


def changes(server):
    """Every way to ask for something that has to be remembered, with what it was answered."""
    body = {"parameters": {"config": json.dumps(config(2))}}
    yield "load", server.load(task(1, "other"))
    yield "reload", server.post(f"/v2/repository/models/{NAME}/load", body)
    yield "drop", server.drop(NAME)
    yield "unload", server.post(f"/v2/repository/models/{NAME}/unload")


def refused(server):
    """Every change is refused with 507, and nothing has changed."""
    for name, answer in changes(server):
        begun = time.monotonic()
        assert answer.status == 507, name
        assert b"state_dir" in answer.data
        assert server.predict(NAME, {"wait": [0]}).json["result"] == {"version": [1]}
        assert server.ids() == ["fixed", NAME]
        assert time.monotonic() - begun < 5
    with contextlib.closing(triton.InferenceServerClient(server.address)) as client:
        for change in (lambda: client.load_model(NAME, config=json.dumps(config(2))), lambda: client.unload_model(NAME)):
            with pytest.raises(InferenceServerException) as caught:
                change()
            assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
    assert {entry["name"]: entry["state"] for entry in server.post("/v2/repository/index").json} == {"fixed": "READY", NAME: "READY"}
    assert len(server.workers()) == 2


@needs_mounts
@pytest.mark.proves("F11")
def test_f11_on_a_full_disk_models_serve_on_and_changes_are_refused(spawn, disk):
    disk.mount = FULL
    server = disk.start(spawn, tasks=[CONFIGURED])
    assert server.load(task(1)).status == 200
    disk.fill(server)
    refused(server)
    disk.empty(server)
    assert [answer.status for _, answer in changes(server)] == [200] * 4
    assert server.get("/v2/health/ready").status == 200
    server.signal()
    assert server.wait() == 0
    assert server.complaints() == []


@needs_mounts
@pytest.mark.proves("F11")
def test_f11_files_that_clients_send_find_no_room_and_leave_nothing(spawn, disk, models):
    disk.mount = FULL
    keys = {"allow_file_override": True, "state_dir": "", "environment": {"TMPDIR": str(disk.path)}}
    server = disk.start(spawn, tasks=[CONFIGURED], **keys)
    before = sorted(disk.seen_by(server).rglob("*"))
    whole = base64.b64encode((models / "double.onnx").read_bytes()).decode()
    large = base64.b64encode(bytes(2 << 20)).decode()
    parameters = {"config": '{"backend": "onnx"}', "file:1/model.onnx": whole}
    answer = server.post("/v2/repository/models/sent/load", {"parameters": {**parameters, "file:1/large.bin": large}})
    assert answer.status == 507
    assert "room" in answer.json["error"]
    assert sorted(disk.seen_by(server).rglob("*")) == before
    assert server.predict("fixed", {"wait": [0]}).json["result"] == {"version": [100]}
    assert server.post("/v2/repository/models/sent/load", {"parameters": parameters}).status == 200
    assert server.predict("sent", {"x": [[1, 2, 3, 4]]}).json["result"] == {"y": [[2, 4, 6, 8]]}


@needs_mounts
@pytest.mark.proves("F11")
def test_f11_a_state_that_must_not_be_written_is_served_until_it_may(spawn, disk):
    disk.mount = ": "
    server = disk.start(spawn, tasks=[CONFIGURED])
    assert server.load(task(1)).status == 200
    server.process.kill()
    server.wait()
    disk.mount = READ_ONLY
    server = disk.start(spawn, tasks=[CONFIGURED])
    refused(server)
    disk.permit_writing(server)
    assert [answer.status for _, answer in changes(server)] == [200] * 4
    server.signal()
    assert server.wait() == 0
    assert server.complaints() == []


@needs_mounts
@pytest.mark.proves("F11")
def test_f11_a_state_that_can_never_have_been_written_is_a_fault_of_the_configuration(spawn, disk):
    disk.mount = READ_ONLY
    server = disk.start(spawn, wait=False)
    assert server.wait() == 1
    log = server.log.read_text()
    assert "state_dir" in log
    assert "may be written" in log
    assert "Traceback" not in log


@pytest.mark.proves("F11")
def test_f11_rubbish_in_place_of_the_state_is_set_aside_and_told(spawn, tmp_path):
    server = versioned(spawn, tmp_path, tasks=[CONFIGURED])
    assert server.load(task(1)).status == 200
    server.process.kill()
    server.wait()
    file = tmp_path / "state" / "pool.sqlite3"
    file.write_bytes(b"rubbish" * 1000)
    server = versioned(spawn, tmp_path, tasks=[CONFIGURED])
    assert server.ids() == ["fixed"]
    assert "damaged" in server.log.read_text()
    assert file.with_name("pool.sqlite3.damaged-1").read_bytes() == b"rubbish" * 1000
    assert server.load(task(1)).status == 200
    server.process.kill()
    server.wait()
    server = versioned(spawn, tmp_path, tasks=[CONFIGURED])
    assert server.ids() == ["fixed", NAME]


@pytest.mark.proves("F11", "F17")
def test_f11_two_servers_with_one_state_are_one_too_many(spawn, tmp_path):
    first = versioned(spawn, tmp_path)
    assert first.load(task(1)).status == 200
    begun = time.monotonic()
    second = versioned(spawn, tmp_path, wait=False)
    assert second.wait() == 1
    assert time.monotonic() - begun < 20
    assert "another pool that runs" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()
    assert first.drop(NAME).status == 200
    first.process.kill()
    first.wait()
    assert versioned(spawn, tmp_path).ids() == []
