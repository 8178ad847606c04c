"""Paths and addresses that want out of the pool's roots: no byte comes from there, nobody is called, nothing hangs."""

import os
import shutil
import socket
import threading
import time

import pytest

from faults.test_malicious import Canary

LONGEST_S = 5
MODEL_FILE, FILTER_FILE, NO_JSON = 5, 52, {1, 102, 105}
"""The codes of their errors; no JSON is what a client could not have written."""
PICTURE = {
    "id": "picture",
    "model_file": "look.py",
    "input_filters": {"x": ["image.ImageFilter"]},
}
LOOK = """
class Skill:
    inputs = {"x": ("float32", [None, 2, 2])}
    outputs = {"sum": ("float32", [None])}

    def predict(self, x):
        return x.sum(axis=(1, 2))
"""


@pytest.fixture(scope="module")
def tree(models, tmp_path_factory):
    """A root, and beside it what nobody may see: a picture and a model that could both be served."""
    from PIL import Image

    top = tmp_path_factory.mktemp("tree")
    root, outside = top / "root", top / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    for folder in (root, outside):
        Image.new("L", (2, 2), 255).save(folder / "picture.png")
        shutil.copyfile(models / "double.onnx", folder / "model.onnx")
    (root / "look.py").write_text(LOOK)
    (root / "link").symlink_to(outside)
    (root / "above").symlink_to("..")
    (root / "chain").symlink_to("link")
    (root / "loop").symlink_to("loop")
    (root / "top").symlink_to("/")
    (root / "self").symlink_to("/proc/self")
    for name in ("picture.png", "model.onnx"):
        (root / f"link-{name}").symlink_to(outside / name)
        (root / "sub" / name).symlink_to(f"../../outside/{name}")
    os.mkfifo(root / "pipe")
    with (root / "endless").open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(root / "socket"))
    listening.close()
    for name, numbers in {"zero": (1, 5), "tty": (5, 0)}.items():
        try:
            os.mknod(root / name, 0o20666, os.makedev(*numbers))
        except PermissionError:
            (root / name).symlink_to(f"/dev/{name}")
    return root, outside


@pytest.fixture
def server(tree, spawn):
    root, _ = tree
    return spawn(roots=[str(root)], code_roots=[], tasks=[{**PICTURE, "model_file": str(root / "look.py"), "allow_code": True}])


def ways(target, root):
    """Ways to write the path of a file outside of the root."""
    name, whole = target.name, str(target)
    up = os.path.relpath(target, root)
    yield from (f"{'../' * count}{whole.lstrip('/')}" for count in range(1, 40))
    yield from (f"sub/{'../' * count}{whole.lstrip('/')}" for count in range(1, 20))
    yield from (f"./{'./' * count}{up}" for count in range(20))
    yield from (
        whole,
        f"/{whole}",
        f"//{whole}",
        f"{whole}/",
        f"{whole}/.",
        f"/.{whole}",
        f"/..{whole}",
        f"{whole}\0",
        f"picture.png\0{whole}",
    )
    for dots in (
        "..",
        "...",
        "....",
        ".. ",
        " ..",
        "..;",
        "..\0",
        "\u2024\u2024",
        "\uff0e\uff0e",
        "\u2025",
        "%2e%2e",
        "%252e%252e",
        "..%00",
        "..%c0%af",
        "\udcc0\udcae",
    ):
        for slash in ("/", "\\", "//", "/./", "%2f", "%5c", "\u2215", "\uff0f", "\\/"):
            yield f"{dots}{slash}outside{slash}{name}"
            yield f"sub{slash}{dots}{slash}{dots}{slash}outside{slash}{name}"
    for link in (
        "link",
        "chain",
        "above/outside",
        "top" + str(target.parent),
        "self/root" + str(target.parent),
        "self/cwd/../outside",
        "loop",
    ):
        yield from (f"{link}/{name}", f"./{link}//{name}", f"sub/../{link}/{name}", f"{link}/../outside/{name}", f"{link}/./{name}")
    yield from (f"link-{name}", f"sub/{name}", f"sub/../link-{name}", f"./sub/./{name}")
    for proc in ("/proc/self", "/proc/1", "/proc/thread-self", f"/proc/{os.getpid()}"):
        yield from (f"{proc}/root{whole}", f"{proc}/cwd/{up}")
        yield from (f"{proc}/fd/{number}" for number in range(16))
    yield from (f"/dev/fd/{number}" for number in range(16))
    yield from (
        "/dev/stdin",
        "/dev/zero",
        "/dev/random",
        "/dev/tty",
        "pipe",
        "zero",
        "tty",
        "socket",
        "loop",
        "endless",
        ".",
        "..",
        "/",
        "",
    )
    yield from (f"~/{name}", f"~root/{name}", f"$HOME/{name}", f"file://{whole}", f"file:{whole}", f"FILE:///{whole}", f"data:{whole}")
    yield from (
        "a" * 300,
        "a/" * 2000 + name,
        "a" * 5000,
        "../" * 3000 + whole.lstrip("/"),
        "/" * 4095 + whole,
        "é" * 200,
        "\x01",
        "\n" + up,
        up + "\n",
    )
    yield from (f"*/{name}", f"../out?ide/{name}", f"../[o]utside/{name}", "{root}", f"|cat {whole}", f"`cat {whole}`", f"$(cat {whole})")


def asked(server, picture):
    return server.predict("picture", {"x": [{"image_file": picture}]}, timeout=LONGEST_S)


def words_of(answer, path):
    """What is said of a path, without the path."""
    return answer.error["code"], answer.error["message"].replace(repr(path), "PATH")


@pytest.mark.proves("G16", "T3", "T12")
@pytest.mark.timeout(300)
def test_g16_no_spelling_of_a_path_leads_out_of_the_roots(server, tree):
    root, outside = tree
    assert asked(server, "picture.png").json["result"]["sum"] == [4.0]
    assert server.load({"id": "m", "model_file": "model.onnx"}).status == 200
    assert server.drop("m").status == 200
    seen = {"picture": set(), "model": set()}
    tricks = 0
    for path in dict.fromkeys(ways(outside / "picture.png", root)):
        answer = asked(server, path)
        assert answer.status == 400, (path, answer)
        seen["picture"].add(answer.error["code"])
        tricks += 1
    for path in dict.fromkeys(ways(outside / "model.onnx", root)):
        if path in (".", "endless"):  # a folder and a file beneath the root, though no model
            continue
        answer = server.load({"id": "trick", "model_file": path}, timeout=LONGEST_S)
        assert answer.status == 400, (path, answer)
        seen["model"].add(answer.error["code"])
        tricks += 1
    assert tricks >= 500
    assert seen["picture"] <= {FILTER_FILE, *NO_JSON}
    assert seen["model"] <= {MODEL_FILE, *NO_JSON}
    assert server.ids() == ["picture"]
    assert asked(server, "picture.png").json["result"]["sum"] == [4.0]


@pytest.mark.proves("G16", "T12")
def test_g16_what_is_absent_outside_or_no_file_is_refused_in_the_same_words(server, tree):
    _, outside = tree
    paths = [
        "absent.png",
        str(outside / "picture.png"),
        str(outside / "absent.png"),
        "/etc/shadow",
        "/nowhere/x",
        "pipe",
        "sub",
        "link/absent",
    ]
    assert len({words_of(asked(server, path), path) for path in paths}) == 1
    models = [path for path in paths if path != "sub"]
    said = {words_of(server.load({"id": "t", "model_file": path}), path) for path in models}
    assert len(said) == 1


@pytest.mark.proves("G16", "T3", "T12")
@pytest.mark.timeout(300)
def test_g16_a_link_that_comes_and_goes_gives_nothing_away(server, tree, size):
    """The path is good when it is checked, and leads outside when it is opened; or a moment later."""
    from PIL import Image

    root, outside = tree
    shutil.rmtree(outside / "swapped", ignore_errors=True)
    (outside / "swapped").mkdir()
    Image.new("L", (2, 2), 100).save(outside / "swapped" / "picture.png")
    good, place = root / "good", root / "swapped"
    good.mkdir(exist_ok=True)
    Image.new("L", (2, 2), 255).save(good / "picture.png")
    done = threading.Event()

    def swap():
        while not done.is_set():
            for target in (good, outside / "swapped"):
                new = root / "new"
                new.symlink_to(target)
                new.replace(place)

    swapping = threading.Thread(target=swap)
    swapping.start()
    sums = set()
    try:
        end = time.monotonic() + size(6, 60)
        while time.monotonic() < end:
            answer = asked(server, "swapped/picture.png")
            sums.add(answer.json["result"]["sum"][0] if answer.status == 200 else answer.error["code"])
    finally:
        done.set()
        swapping.join()
    assert sums - {4.0} == {code for code in sums if isinstance(code, int)}, sums
    assert 4.0 in sums


def addresses(port):
    """Ways to write an address on this machine, and what looks like one."""
    hosts = [
        *(
            "127.0.0.1",
            "localhost",
            "0",
            "0.0.0.0",  # noqa: S104 - to call, not to listen on
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "017700000001",
            "0177.0.0.1",
        ),
        *(
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:0:0:1]",
            "[::1%25lo]",
            "[::127.0.0.1]",
            "127.0.0.1.",
            "LOCALHOST",
        ),
        *(
            "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
            "127\u30020\u30020\u30021",
            "example.org@127.0.0.1",
            "127.0.0.1#@example.org",
            "127.0.0.1\\@example.org",
            "user:pw@127.0.0.1",
            "\u24dbocalhost",
        ),
    ]
    schemes = ["http", "https", "HTTP", "ftp", "gopher", "file", "s3", "gs", "hf", "jar:http", "http:", "//", "data", "ws"]
    for host in hosts:
        for scheme in schemes:
            yield f"{scheme}{'' if scheme == '//' else '://'}{host}:{port}/model.onnx"


@pytest.mark.proves("G16", "T2", "T11")
@pytest.mark.timeout(300)
def test_g16_no_address_is_ever_called(server, tmp_path):
    canary = Canary(tmp_path)
    try:
        tricks = list(dict.fromkeys(addresses(canary.port)))
        assert len(tricks) >= 300
        for address in tricks:
            answer = asked(server, address)
            assert (answer.status, answer.error["params"]) == (400, [address])
            for body in ({"image": address}, {"url": address}, {"image_url": {"url": address}}):
                assert server.predict("picture", {"x": [body]}).status == 400
            assert server.load({"id": "trick", "model_file": address}).status == 400
        assert canary.touched == []
    finally:
        canary.close()
    assert server.ids() == ["picture"]


@pytest.mark.proves("G16", "T3")
@pytest.mark.timeout(300)
def test_g16_what_a_task_names_beside_its_model_lies_beneath_the_roots(server, tree):
    root, outside = tree
    (outside / "words").write_text("secret words\n" * 4)
    (root / "words").write_text("w\nx\ny\nz\n")
    (root / "link-words").symlink_to(outside / "words")
    task = {"id": "trick", "model_file": "model.onnx"}
    assert server.load({**task, "labels": {"y": "words"}}).status == 200
    assert server.drop("trick").status == 200
    for path in (str(outside / "words"), "../outside/words", "link-words", "link/words", "/proc/self/environ", "pipe", "zero", "endless"):
        for further in (
            {"labels": {"y": path}},
            {"samples": [{"inputs": path}]},
            {"output_filters": {"y": [{"filter": "topk.TopKFilter", "labels": path}]}},
        ):
            answer = server.load({**task, **further}, timeout=30)
            assert answer.status in (400, 422), (path, further, answer)
            assert b"secret words" not in answer.data
    for name in ("../x", "/x", "a/../../x", "trick\0", "..", ".", "x" * 129, "a/b", "", "%2e%2e"):
        assert server.load({**task, "id": name}).status == 400
    assert server.ids() == ["picture"]
