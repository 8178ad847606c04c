"""What a worker can still do once it is confined, tried from within by code that wants more."""

import asyncio
import contextlib
import errno
import os
import re
import runpy
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.executor import confinement, environment, landlock, seccomp
from zeromind.executor.order import Order
from zeromind.executor.process import ProcessExecutor
from zeromind.tensors import InferRequest

pytestmark = pytest.mark.skipif(
    not all(confinement.offered().values()), reason="this system has no Landlock or no seccomp: there is nothing to prove"
)
PROBE = '''
"""Evaluates what it is sent, and tells the outcome."""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

libc = ctypes.CDLL(None, use_errno=True)
sent = 0


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


class Skill:
    inputs = {"do": ("string", [None])}
    outputs = {"came": ("string", [None])}

    def predict(self, do):
        return np.array([outcome(text) for text in do.tolist()], object)


def outcome(text):
    try:
        return str(eval(text))
    except BaseException as error:
        return f"{type(error).__name__} {getattr(error, 'errno', '')}"
'''
REFUSED = {f"PermissionError {number}" for number in (errno.EPERM, errno.EACCES)}


@contextlib.asynccontextmanager
async def started(order):
    made = ProcessExecutor(order, lambda: None, lambda: None)
    try:
        await made.start(30)
        yield made
    finally:
        await made.stop()


async def ask(made, *probes):
    """What each of the probes came to."""
    future = asyncio.get_running_loop().create_future()
    request = InferRequest({"do": np.array([probe.encode() for probe in probes], object)})
    made.send([request], [len(probes)], lambda outcome: future.set_result([one.copy() for one in outcome]))
    (answer,) = await asyncio.wait_for(future, 30)
    return [text.decode() for text in answer.outputs["came"].tolist()]


@pytest.fixture
def order(tmp_path):
    """A function: the order for the probe, with changes."""
    (tmp_path / "model").mkdir()
    file = tmp_path / "model" / "probe.py"
    file.write_text(PROBE)

    def build(file=file, **changes):
        task = {"id": "probe", "model_file": str(file)}
        return Order(task, str(file), (str(tmp_path / "model"),), allow_code=True, **changes)

    return build


@pytest.fixture
def tried(order):
    """A function: what probes come to in a worker."""

    def run(*probes, **changes):
        async def main():
            async with started(order(**changes)) as made:
                return await ask(made, *probes)

        return asyncio.run(main())

    return run


@pytest.mark.proves("T5")
def test_t5_it_reads_its_model_and_what_it_runs_on_but_nothing_else(tried, tmp_path):
    (tmp_path / "secret").write_text("a secret of the operator's")
    beside = tmp_path / "model"
    (beside / "words.txt").write_text("beside")
    (beside / ".hidden").write_text("hidden")
    (beside / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(beside / "fifo")
    secret = str(tmp_path / "secret")
    outside = [
        f"open({secret!r}).read()",
        f"open({str(beside / '.hidden')!r}).read()",
        f"open({str(beside / 'link')!r}).read()",
        f"os.open({str(beside / 'fifo')!r}, os.O_RDONLY | os.O_NONBLOCK)",
        f"open('/proc/self/root{secret}').read()",
        f"os.listdir({str(tmp_path)!r})",
        "os.listdir('/')",
        "os.listdir('/root')",
        "os.listdir('/home')",
        "os.listdir('/run')",
        "open('/etc/shadow').read()",
        "open(f'/proc/{os.getppid()}/environ').read()",
        "open(f'/proc/{os.getppid()}/maps').read()",
        "open(f'/proc/{os.getppid()}/mem', 'rb')",
        "os.readlink(f'/proc/{os.getppid()}/fd/0')",
        f"subprocess.run(['cat', {secret!r}], check=True, stderr=subprocess.DEVNULL)",
        f"os.link({secret!r}, os.environ['TMPDIR'] + '/mine') or open(os.environ['TMPDIR'] + '/mine').read()",
    ]
    inside = [f"open({str(beside / 'words.txt')!r}).read()", "len(open('/proc/self/status').read()) > 9", "subprocess.getoutput('echo 5')"]
    came = tried(*outside, *inside)
    *kept, linked = came[: len(outside)]
    assert {text for text in kept if not text.startswith("CalledProcessError")} <= REFUSED, dict(zip(outside, came, strict=False))
    assert linked in {*REFUSED, f"OSError {errno.EXDEV}"}
    assert came[len(outside) :] == ["beside", "True", "5"]


@pytest.mark.proves("T5")
def test_t5_it_writes_into_its_own_folder_only_which_goes_with_it(order, tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("as it was")
    outside = [
        f"open({str(canary)!r}, 'w')",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"open({str(tmp_path / 'model' / 'probe.py')!r}, 'a')",
        f"open({str(tmp_path / 'model' / 'new')!r}, 'w')",
        f"os.mkdir({str(tmp_path / 'folder')!r})",
        f"os.unlink({str(canary)!r})",
        f"os.rename({str(canary)!r}, os.environ['TMPDIR'] + '/x')",
        f"os.symlink('/', {str(tmp_path / 'link')!r})",
        f"os.truncate({str(canary)!r}, 0)",
        "open('/proc/self/oom_score_adj', 'w')",
        "os.mknod(os.environ['TMPDIR'] + '/device', 0o60600, os.makedev(8, 0))",
        "open(os.path.dirname(os.__file__) + '/sitecustomize.py', 'w')",
    ]
    inside = [
        "Path.home()",
        "os.environ['TMPDIR']",
        "Path('~/.cache/x').expanduser().parent.mkdir() or open(Path.home() / 'x', 'w').write('y')",
    ]

    async def main():
        async with started(order(scratch=str(tmp_path))) as made:
            came = await ask(made, *outside, *inside)
            assert set(came[: len(outside)]) <= {*REFUSED, f"OSError {errno.EXDEV}"}, dict(zip(outside, came, strict=False))
            home, temporary, written = came[len(outside) :]
            assert home == temporary
            assert written == "1"
            assert Path(home).parent == tmp_path
        assert not list(tmp_path.glob("worker-*"))
        async with started(order(scratch=str(tmp_path))) as made:
            (folder,) = tmp_path.glob("worker-*")
            os.kill(made.pid, 9)
        assert not folder.exists()

    asyncio.run(main())
    assert canary.read_text() == "as it was"
    assert {path.name for path in tmp_path.iterdir()} == {"canary", "model"}


@pytest.mark.proves("T5")
def test_t5_what_the_task_names_it_may_read_and_write(tried, tmp_path):
    for name in ("seen", "changed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    look = f"open({str(tmp_path / 'seen' / 'file')!r}).read()"
    change = [f"open({str(tmp_path / name / 'new')!r}, 'w').write('x')" for name in ("seen", "changed")]
    came = tried(look, *change, reads=(str(tmp_path / "seen"),), writes=(str(tmp_path / "changed"), str(tmp_path / "absent")))
    assert came == ["seen", f"PermissionError {errno.EACCES}", "1"]


NETWORK = [
    *("socket.socket()", "socket.socket(socket.AF_INET6)", "socket.socket(socket.AF_UNIX)", "socket.socket(socket.AF_NETLINK)"),
    *("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)"),
    "call('socketpair', 30, 1, 0, (ctypes.c_int * 2)())",  # TIPC
    *("libc.syscall(425, 8, None) < 0 and call('syscall', 425, 8, None)",),
]


@pytest.mark.proves("T5")
def test_t5_a_closed_network_knows_no_socket(tried):
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.2)
        port = canary.getsockname()[1]
        reach = f"socket.create_connection(('127.0.0.1', {port}), 2).close()"
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
        command = f"subprocess.run([sys.executable, '-c', {connect!r}], stderr=-3).returncode"
        assert set(tried(*NETWORK, reach, network="closed")) <= REFUSED
        assert tried(command, "[one.send(b'x') for one, two in [socket.socketpair()]][0]", network="closed") == ["1", "1"]
        with pytest.raises(TimeoutError):
            canary.accept()
        assert tried(reach) == ["None"]
        canary.accept()[0].close()


def test_with_the_network_go_the_certificates_that_the_environment_names(tried, tmp_path, monkeypatch):
    (tmp_path / "ca.pem").write_text("ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    look = "open(os.environ['SSL_CERT_FILE']).read()"
    assert tried(look) == ["ca"]
    assert set(tried(look, network="closed")) <= REFUSED


@pytest.mark.proves("T5")
def test_t5_a_model_without_code_has_no_network_even_where_code_is_allowed(models):
    async def main():
        for changes, free in (({}, False), ({"network": "open"}, True), ({"confine": "off"}, True)):
            file = str(models / "double.onnx")
            async with started(Order({"id": "m", "model_file": file}, file, (str(models),), allow_code=True, **changes)) as made:
                assert made.free == {"files": changes.get("confine") == "off", "network": free}

    asyncio.run(main())


@pytest.mark.proves("T5", "T9")
def test_t5_it_reaches_no_other_process(order):
    async def main():
        async with started(order()) as other, started(order()) as made:
            for pid in (os.getpid(), other.pid):
                probes = [
                    *(f"os.kill({pid}, {number})" for number in (0, 9, 15, 19)),
                    f"os.killpg(os.getpgid({pid}), 15)",
                    f"signal.pidfd_send_signal(os.pidfd_open({pid}), 9)",
                    f"call('ptrace', 16, {pid}, None, None)",
                    f"call('process_vm_readv', {pid}, None, 0, None, 0, 0)",
                    f"call('syscall', 438, os.pidfd_open({pid}), 0, 0)",
                    f"resource.prlimit({pid}, resource.RLIMIT_NOFILE, (0, 0))",
                    f"open('/proc/{pid}/fd/0')",
                    *(f"os.listdir('/proc/{pid}/{name}')" for name in ("cwd", "root", "map_files")),
                ]
                came = await ask(made, *probes)
                wrong = {probe: text for probe, text in zip(probes, came, strict=True) if text not in REFUSED}
                assert not wrong
            assert await ask(other, "1 + 1") == ["2"]

    asyncio.run(main())


@pytest.mark.proves("T5")
@pytest.mark.parametrize("name", sorted({**seccomp.OUT_OF_REACH, "clone3": 0, "unshare(": 0, "clone": 0}))
def test_t5_calls_that_no_model_needs_are_refused(name, confined_calls):
    assert confined_calls[name] in (errno.EPERM, errno.ENOSYS)


@pytest.fixture(scope="session")
def confined_calls():
    """The errors of system calls in a process confined as a worker without code is, by their names."""
    script = f"""
        import ctypes, os
        from zeromind.executor import seccomp
        from zeromind.executor.confinement import Confinement
        Confinement("require", {__file__!r}, "/nowhere").apply()
        libc = ctypes.CDLL(None, use_errno=True)
        own = 1 if os.uname().machine == "aarch64" else 0
        calls = {{**seccomp.OUT_OF_REACH, **seccomp.ATTRIBUTES, **seccomp.LEAVING, "clone3": (435, 435)}}
        for name, numbers in calls.items():
            if numbers[own] >= 0:
                print(name, libc.syscall(ctypes.c_long(numbers[own]), *[ctypes.c_long(0)] * 6), ctypes.get_errno())
            else:
                print(name, -1, 1)
        for flag in (0x10000000, 0x20000000, 0x40000000, 0x20000):
            result = libc.syscall(ctypes.c_long((56, 220)[own]), ctypes.c_long(flag | 17), *[ctypes.c_long(0)] * 4)
            if result == 0:
                os._exit(0)
            print("clone" if result < 0 else "new", result, ctypes.get_errno())
        print("unshare(", libc.unshare(0x10000000), ctypes.get_errno())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {result for _, result, _ in lines} == {"-1"}, lines
    return {name: int(number) for name, _, number in lines}


@pytest.mark.proves("T5")
@pytest.mark.parametrize("name", sorted({**seccomp.ATTRIBUTES, **seccomp.LEAVING}))
def test_t5_a_model_without_code_changes_no_attributes_of_files_and_outlives_no_worker(name, confined_calls):
    assert confined_calls[name] == errno.EPERM


def threads_of(pid):
    return list(Path(f"/proc/{pid}").glob("task/*/status"))


def test_every_thread_is_confined(models):
    async def main():
        file = str(models / "double.onnx")
        order = Order({"id": "m", "model_file": file}, file, (str(models),), threads=4)
        async with started(order) as made:
            statuses = [path.read_text() for path in threads_of(made.pid)]
            assert len(statuses) > 2
            for status in statuses:
                assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
                assert re.search(r"^Seccomp:\t2$", status, re.M)
                assert re.search(r"^CapEff:\t0*[0-9a-f]{0,6}$", status, re.M)

    asyncio.run(main())


def test_no_thread_runs_when_it_is_confined():
    script = """
        import os, sys
        from zeromind.executor import __main__, confinement, frames, order
        print(len(os.listdir("/proc/self/task")), "numpy" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["1", "False"]


@pytest.mark.proves("F2")
def test_f2_a_worker_has_a_budget_of_memory(tried):
    grab = "len(bytearray(600 << 20)) >> 20"
    assert tried(grab, "1 + 1", memory_bytes=512 << 20) == ["MemoryError ", "2"]
    assert tried(grab) == ["600"]


def test_a_worker_leaves_no_core_and_fills_no_disk(tried):
    limits = tried(*(f"resource.getrlimit(resource.{name})[1]" for name in ("RLIMIT_CORE", "RLIMIT_FSIZE")))
    assert limits == ["0", str(64 << 30)]


# --- the environment

SECRETS = {"DATABASE_URL": "a", "AWS_SECRET_ACCESS_KEY": "b", "HF_TOKEN": "c", "MLFLOW_TRACKING_PASSWORD": "d", "ZEROMIND_STATE_DIR": "e"}


@pytest.mark.proves("T5")
def test_t5_no_secret_of_the_servers_environment_reaches_a_worker():
    environ = {**SECRETS, "PATH": "/bin", "LC_ALL": "C", "OMP_WAIT_POLICY": "x", "CUDA_VISIBLE_DEVICES": "0", "KERAS_BACKEND": "jax"}
    assert environment.chosen(environ) == {name: value for name, value in environ.items() if name not in SECRETS}
    assert environment.chosen(environ, ["DATABASE_URL"]).keys() - environment.chosen(environ).keys() == {"DATABASE_URL"}


SPOILER = """
import os

os.environ["OMP_SPOILT"] = "yes"


class Skill:
    inputs = {"x": ("float32", [None])}
    outputs = {"y": ("float32", [None])}

    def predict(self, x):
        return x
"""


@pytest.mark.proves("T5")
def test_t5_what_a_skill_in_the_server_sets_reaches_no_worker(thread_server, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_CHECKED", "yes")
    monkeypatch.setenv("DATABASE_URL", "a secret")
    monkeypatch.setenv("HOUSE_KEY", "a secret that is needed")
    monkeypatch.delenv("OMP_SPOILT", raising=False)
    (tmp_path / "spoiler.py").write_text(SPOILER)
    (tmp_path / "probe.py").write_text(PROBE)
    tasks = [{"id": "spoiler", "model_file": "spoiler.py", "isolation": "thread", "allow_code": True}]
    with thread_server(tasks=tasks, roots=[str(tmp_path)], code_roots=[str(tmp_path)], worker_environment=["HOUSE_KEY"]) as client:
        assert os.environ["OMP_SPOILT"] == "yes"
        monkeypatch.delenv("OMP_SPOILT")
        monkeypatch.setenv("OMP_SPOILT", "yes")
        assert client.load({"id": "probe", "model_file": "probe.py"}).status == 200
        names = ["OMP_CHECKED", "DATABASE_URL", "HOUSE_KEY", "OMP_SPOILT"]
        came = client.predict("probe", {"do": [f"os.environ.get({name!r})" for name in names]}).json["result"]["came"]
        assert came == ["yes", "None", "a secret that is needed", "None"]


# --- what the system does not offer

WITHOUT = """
    import errno, sys
    from zeromind.executor import confinement, seccomp
    confinement._give_up_privileges()
    seccomp.refuse({"landlock_create_ruleset": (444, 444)}, errno.ENOSYS)
    from zeromind.__main__ import main
    sys.argv = ["zeromind", "check", "-c", sys.argv[1]]
    main()
"""


@pytest.mark.parametrize("mode", ["auto", "require", "off"])
def test_check_tells_what_confines_each_task(mode, models, tmp_path):
    tasks = [{"id": "a", "model_file": "double.onnx"}, {"id": "b", "model_file": "double.onnx", "isolation": "thread"}]
    file = tmp_path / "pool.json"
    file.write_text(f'{{"roots": ["{models}"], "confine": "{mode}", "tasks": {tasks!r}}}'.replace("'", '"'))
    done = subprocess.run(
        [sys.executable, "-m", "zeromind", "check", "-c", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout
    assert f"Landlock confines workers (ABI {landlock.abi()}: files" in said or mode == "off"
    assert ("a thread of the server, not confined" in said) == (mode != "require")
    assert ("which this pool requires ('confine')" in said) == (mode == "require")
    assert ("any files, the network" if mode == "off" else "its own files, no network") in said


@pytest.mark.parametrize("mode", ["auto", "require"])
def test_without_landlock_it_goes_as_far_as_it_can_unless_more_is_required(mode, models, tmp_path):
    file = tmp_path / "pool.json"
    file.write_text(f'{{"roots": ["{models}"], "confine": "{mode}", "tasks": [{{"id": "a", "model_file": "double.onnx"}}]}}')
    command = [sys.executable, "-c", textwrap.dedent(WITHOUT), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Landlock is not there to confine workers" in done.stdout, done
    assert done.returncode == (1 if mode == "require" else 0)
    assert ("any files, no network" in done.stdout) == (mode == "auto")
    assert ("'zeromind check' tells what this system lacks" in done.stderr) == (mode == "require")


def test_a_refusal_names_the_key_that_would_help(tmp_path, caplog):
    (tmp_path / "model").mkdir()
    (tmp_path / "words").write_text("x")
    file = tmp_path / "model" / "skill.py"
    file.write_text(PROBE + f"\nopen({str(tmp_path / 'words')!r})\n")

    async def main():
        with pytest.raises(ZeroMindError) as caught:
            async with started(Order({"id": "m", "model_file": str(file)}, str(file), (str(tmp_path / "model"),), allow_code=True)):
                pass
        assert caught.value.kind is ErrorKind.LOAD_FAILED

    with caplog.at_level("INFO"):
        asyncio.run(main())
    assert "'reads', 'writes' and 'network' of its task" in caplog.text


# --- kernels and moments


@pytest.mark.parametrize("version", range(1, landlock.abi() + 1))
def test_older_landlocks_do_what_they_can(version, tmp_path):
    """A newer kernel takes what an older one would have been told."""
    (tmp_path / "secret").write_text("x")
    script = f"""
        import os
        from zeromind.executor import confinement, landlock
        landlock.abi = lambda: {version}
        confinement._give_up_privileges()
        landlock.restrict([landlock.Rule("/usr", landlock.RUN)], False)
        for path in ({str(tmp_path / "secret")!r}, "/etc/passwd"):
            try:
                open(path)
            except PermissionError:
                print("refused")
        print(len(os.listdir("/usr")) > 0)
        try:
            os.kill(os.getppid(), 0)
            print("signalled")
        except PermissionError:
            print("kept")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["refused", "refused", "True", "kept" if version >= 6 else "signalled"]


@pytest.mark.parametrize(
    ("version", "rights"), [(1, 0x1FFF), (2, 0x3FFF), (3, 0x7FFF), (4, 0x7FFF), (5, 0xFFFF), (7, 0xFFFF), (12, 0xFFFF)]
)
def test_each_landlock_gives_up_all_that_it_knows(version, rights):
    assert landlock._rights(version) == rights


@pytest.mark.proves("G16", "T3")
def test_g16_a_model_that_has_become_a_link_is_not_followed(models, tmp_path, caplog):
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "model.onnx").write_bytes((models / "double.onnx").read_bytes())
    (tmp_path / "root" / "file.onnx").symlink_to(tmp_path / "outside" / "model.onnx")
    (tmp_path / "root" / "folder").symlink_to(tmp_path / "outside")

    async def main():
        for name in ("file.onnx", "folder/model.onnx"):
            file = str(tmp_path / "root" / name)
            with pytest.raises(ZeroMindError, match="cannot be read"):
                async with started(Order({"id": "m", "model_file": file}, file, (str(tmp_path / "root"),))):
                    pass

    with caplog.at_level("INFO"):
        asyncio.run(main())
    assert caplog.text.count("'reads', 'writes' and 'network' of its task") == 2


@pytest.mark.proves("T5")
@pytest.mark.parametrize("version", [(3, 10), (3, 11)])
def test_t5_a_file_in_the_working_directory_is_no_module_of_a_workers(version, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('caught')")
    monkeypatch.setattr(sys, "version_info", version)
    program = runpy.run_path(environment.__file__)["PROGRAM"]
    assert (program[0] == "-m") == (version > (3, 10))
    names = {**os.environ, **({"PYTHONSAFEPATH": "1"} if version > (3, 10) else {})}
    command = [sys.executable, *program, "0", "0", '["no confinement"]']
    done = subprocess.run(command, cwd=tmp_path, env=names, capture_output=True, text=True, timeout=60, check=False)
    assert "AttributeError: 'list' object has no attribute 'items'" in done.stderr


def test_a_deep_folder_of_a_worker_does_not_keep_it_from_ending(order, tmp_path):
    dig = "[(os.mkdir('d'), os.chdir('d')) for _ in range(1500)][0]"

    async def main():
        async with started(order(scratch=str(tmp_path))) as made:
            await ask(made, "os.chdir(os.environ['TMPDIR'])", dig)
        assert not list(tmp_path.glob("worker-*"))

    asyncio.run(main())


@pytest.mark.proves("T5")
def test_t5_a_worker_that_may_not_ask_for_one_step_takes_the_others():
    """As root under a service manager that lets nobody touch capabilities."""
    script = """
        import errno
        from zeromind.executor import confinement, seccomp
        from zeromind.executor.confinement import Confinement
        confinement._give_up_privileges()
        seccomp.refuse({"capset": (126, 91)}, errno.EPERM)
        confinement._KEPT = 0
        Confinement("auto", "/usr/nowhere", "/usr/nowhere").apply()
        print(confinement.found())
        print(seccomp.available())
        seccomp.refuse({"seccomp": (317, 277)}, errno.EPERM)
        print(seccomp.available())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["{'files': False, 'network': False}", "True", "False"]
    assert ("give_up_privileges: [Errno 1] capset" in done.stderr) == (os.geteuid() == 0)


def test_a_worker_that_ends_while_it_loads_is_told_by_how_it_ended(order, tmp_path):
    (tmp_path / "model" / "ends.py").write_text("import os; os._exit(7)")

    async def main():
        with pytest.raises(ZeroMindError, match="ended with status 7 while it loaded"):
            async with started(order(tmp_path / "model" / "ends.py")):
                pass

    asyncio.run(main())
