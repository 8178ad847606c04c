"""The pages as a client without JavaScript sees them."""

import gzip
import html
import json
import re
import shlex

import pytest

from zeromind.console import pages
from zeromind.errors import ErrorKind
from zeromind.http import app, envelope, openapi
from zeromind.http.examples import EXAMPLES, Example

FILES = sorted(path for path in pages.FOLDER.rglob("*") if path.suffix in (*pages.MEDIA, ".html"))
PARTS = [path for path in FILES if path.suffix != ".html"]
MOST_LINES = 400
MOST_COLUMNS = 140


def name(path):
    return path.relative_to(pages.FOLDER).as_posix()


TEN = {
    "/info", "/info/system", "/info/task", "/info/tasks", "/model/list", "/model/info", "/model/load", "/model/drop", "/model/predict",
    "/command/stop",
}  # fmt: skip
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("target", ["/console", "/docs", *(f"/console/{name(path)}" for path in PARTS[::9]), "/console/nothing.js"])
def test_nothing_but_what_the_pool_serves_may_run(pool, target):
    _, headers, _ = pool.request(target)
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Server"] == "0Mind"


@pytest.mark.parametrize("path", PARTS, ids=name)
def test_every_part_is_served_under_its_media_type(pool, path):
    status, headers, body = pool.request(f"/console/{name(path)}")
    assert (status, headers["Content-Type"], body) == (200, pages.MEDIA[path.suffix], path.read_bytes())
    assert pool.request(f"/console/{name(path)}", **{"If-None-Match": headers["Etag"]})[0] == 304


def test_parts_are_compressed_for_whoever_takes_that(pool):
    target = "/console/style/base.css"
    status, headers, body = pool.request(target, **{"Accept-Encoding": "br, gzip"})
    assert (status, headers["Content-Encoding"], headers["Vary"]) == (200, "gzip", "Accept-Encoding")
    assert gzip.decompress(body) == (pages.FOLDER / "style/base.css").read_bytes()
    assert len(body) < len(gzip.decompress(body)) / 2
    assert pool.request(target, **{"Accept-Encoding": "gzip", "If-None-Match": headers["Etag"]})[0] == 304
    for coding in ("", "br", "gzip;q=0"):
        assert "Content-Encoding" not in pool.request(target, **{"Accept-Encoding": coding})[1]


def test_the_page_names_every_module_so_that_none_waits_for_another(pool):
    text = pool.request("/console")[2].decode()
    assert set(re.findall(r'modulepreload" href="console/([^"]+)"', text)) == {name(path) for path in PARTS if path.suffix == ".js"} - {
        "console.js"
    }


def test_the_console_weighs_less_than_200_kb():
    assert sum(path.stat().st_size for path in FILES) < 200_000


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_needs_another_host_or_what_the_policy_forbids(path):
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|\burl\(|@import|\beval\(|innerHTML|insertAdjacentHTML|document\.write|<style| style=", text)
    assert not re.search(r"<script(?![^>]* src=)| on[a-z]+=", text)
    for target in re.findall(r'(?:src|href)="console/([^"{#]+)"', text):
        assert (pages.FOLDER / target).is_file(), target
    for target in re.findall(r'(?:from|import) "(\.[^"]+)"', text):
        assert (path.parent / target).is_file(), target


@pytest.mark.parametrize("path", [path for path in PARTS if path.suffix == ".js"], ids=name)
def test_modules_are_as_short_as_the_house_wants_them_and_say_what_they_are(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) <= MOST_LINES
    assert [line for line in lines if len(line) > MOST_COLUMNS] == []


@pytest.mark.parametrize("path", [path for path in PARTS if path.suffix == ".js"], ids=name)
def test_modules_import_nothing_that_they_do_not_use(path):
    text = path.read_text(encoding="utf-8")
    for names in re.findall(r"^import \{([^}]+)\}", text, re.MULTILINE):
        for each in (part.strip() for part in names.split(",") if part.strip()):
            assert len(re.findall(rf"\b{each}\b", text)) > 1, each


def test_browsers_that_ask_for_the_pool_get_the_console_and_others_its_information(pool):
    status, headers, _ = pool.request("/", **HTML)
    assert (status, headers["Location"], headers["Vary"]) == (302, "console", "Accept")
    for target, accept in (("/", {}), ("/", {"Accept": "application/json"}), ("/info", HTML), ("/info", {})):
        status, _, body = pool.request(target, **accept)
        assert (status, json.loads(body)["service"]) == (200, "ModelPool")
    assert json.loads(pool.request("/", b"", **HTML)[2])["service"] == "ModelPool"


def test_the_console_is_found_as_a_folder_too(pool):
    status, headers, _ = pool.request("/console/")
    assert (status, headers["Location"]) == (302, "../console")


def test_pages_answer_head(pool):
    status, headers, body = pool.request("/console", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("target", ["/console", "/docs", "/console/style/base.css"])
def test_pages_take_nothing(pool, target):
    status, headers, body = pool.request(target, b"x" * 100_000)
    assert (status, headers["Allow"], body) == (405, "GET, HEAD", b"405 Method Not Allowed\n")


@pytest.mark.parametrize(
    "target",
    [
        "/console/nothing.js",
        "/console/pages.py",
        "/console/..%2fpages.py",
        "/console/../pages.py",
        "/console/pool/../pages.py",
        "/console/index.html",
        "/console/view/pool/pool.js",
    ],
)
def test_nothing_else_of_the_folder_is_served(pool, target):
    assert pool.request(target)[0] == 404


def test_the_operators_routes_come_first(pool):
    assert pool.ask("/console/own.svg") == {"mine": True}


def test_docs_list_every_route_with_its_methods(pool):
    text = pool.request("/docs")[2].decode()
    articles = dict(re.findall(r'<article class="card stack" id="([^"]+)">(.*?)</article>', text, re.DOTALL))
    for path, handler in [(path, one) for one in app.BUILT_IN for path, _ in openapi.paths(one)]:
        assert re.findall(r'class="method">(\w+)<', articles[path]) == handler.methods()
    assert {"/console", "/docs", "/hello/{name}"} <= articles.keys()
    assert "Greets <code>name</code>, &lt;b&gt;boldly&lt;/b&gt;." in articles["/hello/{name}"]
    for path in TEN:
        assert f"curl {pool.url}{path}" in articles[path] or f"{pool.url}{path}" in articles[path]


def test_docs_are_made_of_the_openapi_document(pool):
    text = pool.request("/docs")[2].decode()
    document = json.loads(pool.request("/openapi.json")[2])
    assert re.findall(r'<article class="card stack" id="([^"]+)">', text) == [
        path for tag in document["tags"] for path, item in document["paths"].items() if str([tag["name"]]) in str(item)
    ]
    assert re.findall(r'<h2 id="group-\d+">([^<]+)<', text) == [tag["name"] for tag in document["tags"]]
    assert {"Of this pool", "0Mind", "Open Inference Protocol", "Pages"} <= {tag["name"] for tag in document["tags"]}
    article = text.partition('id="/model/drop"')[2].partition("</article>")[0]
    for part in ("GET, POST: what it takes and gives", "<code>id</code>", "model id not found", "&quot;unload_time&quot;: number"):
        assert part in article


def test_docs_list_every_fault(pool):
    text = pool.request("/docs")[2].decode()
    assert set(re.findall(r'<tr id="(\w+)"', text)) == {kind.name for kind in ErrorKind}
    for kind, (status, code) in envelope.TABLE.items():
        assert (
            f'<tr id="{kind.name}"><td class="figure">{code}</td><td class="figure">{status}</td><td>{html.escape(kind.value)}</td>' in text
        )


def test_the_page_is_written_for_the_address_under_which_it_was_reached(pool):
    assert "curl http://pool.example:99/info" in pool.request("/docs", Host="pool.example:99")[2].decode()
    status, headers, _ = pool.request("/docs", Host="<script>")
    assert (status, headers["Content-Type"]) == (421, "application/json"), "no page is made for what is no host"


def test_examples_are_quoted_for_a_shell():
    example = {"target": "/x?a=1&b=2", "body": '{"a": "it\'s"}', "file": "", "media": "application/json", "method": "POST"}
    line = pages.curl("http://h", example)
    assert shlex.split(line) == ["curl", "-H", "Content-Type: application/json", "-d", '{"a": "it\'s"}', "http://h/x?a=1&b=2"]
    bare = Example("/x", "", method="POST").as_dict()
    assert pages.curl("http://h", bare) == "curl -X POST http://h/x"


def test_each_of_the_ten_requests_has_an_example():
    assert EXAMPLES.keys() >= TEN
    assert EXAMPLES.keys() <= {handler.shown or handler.route for handler in app.BUILT_IN}
    assert all(EXAMPLES.values())


def test_the_examples_tell_the_truth(demo):
    """Every one but the last, which ends the pool, played in order against the pool of which they speak."""
    for example in [example for path, examples in EXAMPLES.items() for example in examples if path != "/command/stop"]:
        body = (pages.FOLDER.parents[2] / example.file).read_bytes() if example.file else example.body.encode() or None
        status, _, answer = demo.request(example.target, body, **{"Content-Type": example.media})
        assert status == 200, answer
        assert bool(example.answer) is bool(answer)
        if answer:
            assert_alike(json.loads(example.answer.replace(", …", "")), json.loads(answer), whole="…" not in example.answer)


def assert_alike(example, answer, whole):
    """The same keys, and the same values but for those that differ from time to time."""
    if isinstance(example, dict):
        assert example.keys() == answer.keys() if whole else example.keys() <= answer.keys()
        for key, value in example.items():
            if key not in ("python", "memory_consumed", "memory_released", "total", "available"):
                assert_alike(value, answer[key], whole)
    elif isinstance(example, list):
        assert len(example) == len(answer) if whole else len(example) <= len(answer)
        for one, other in zip(example, answer, strict=whole):
            assert_alike(one, other, whole)
    elif isinstance(example, float):
        assert isinstance(answer, (int, float))
    else:
        assert example == answer
