"""Every route of HTTP and every method of gRPC, as anybody who may and anybody who may not: made from the tables of routes."""

import asyncio
import http.client
import re
import urllib.parse

import pytest
import tornado.httputil
import tornado.routing

import grpc
from zeromind.access.audit import Audit
from zeromind.access.gate import Gate
from zeromind.access.hosts import Hosts
from zeromind.access.scope import GRANTED, Scope
from zeromind.console import pages
from zeromind.engine import Engine
from zeromind.grpc.service import Service
from zeromind.http import app, openapi
from zeromind.http.entrance import model_in, needed

OWN = '''
from zeromind.access.scope import Scope
from zeromind.http.handler import Handler


class Silent(Handler):
    """Says nothing of keys."""

    route = "/own/silent"

    def prepare(self):
        """Leaves out what the base class does."""

    def get(self):
        self.finish("done")

    post = get


class Told(Handler):
    """Says what it needs."""

    route = "/own/told/(?P<id>[a-z]+)"
    shown = "/own/told/{id}"
    scopes = {"GET": Scope.READ, "DELETE": Scope.MANAGE}

    def get(self, id):
        self.send({"id": id})

    delete = get


class Predicting(Handler):
    """Is like a prediction."""

    route = "/own/predict"
    scopes = {"POST": Scope.PREDICT}

    def post(self):
        self.send({})


class Open(Handler):
    """Is for everybody."""

    route = "/own/open"
    scopes = {"GET": Scope.OPEN}

    def get(self):
        self.send({})
'''
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REFUSED = (401, 403, 421)
PLACES = {"id": "absent", "model": "absent", "version": "1", "label": "stable", "name": "region", "repository": "some"}
UNKNOWN = ("/nothing", "/v2/nothing", "/v1/nothing", "/model", "/console/nothing.html", "/model/drop/")
MOZILLA = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"}
NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
BROWSERS = {
    "origin": {"Origin": "http://evil.example"},
    "no origin": {"Origin": "null"},
    "picture": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "neighbour": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    "frame": {**NAVIGATION, "Sec-Fetch-Dest": "iframe"},
    "form": {"Origin": "http://evil.example", "Content-Type": "text/plain"},
}
"""What other sites' pages send, whatever the route."""
LINKS = {
    "link": NAVIGATION,
    "old browser": MOZILLA,
    "referrer": {"Referer": "http://evil.example/"},
    "old form": {**MOZILLA, "Content-Type": "text/plain"},
}
"""What may come of a link or, in browsers of old, of a form."""
KEYS = ("all", *(scope.value for scope in GRANTED), *(f"not-{scope.value}" for scope in GRANTED), "expired", "elsewhere")


def handlers(own):
    yield from own
    yield from app.BUILT_IN


def places(handler):
    """Paths of a handler, with a model that is not there, as its declared operations want it."""
    declared = [parameter for operation in handler.operations.values() for parameter in operation.parameters]
    query = "?id=absent" if any(one.name == "id" and one.place == "query" for one in declared) else ""
    for path, _ in openapi.paths(handler):
        yield re.sub(r"\{(\w+)\}", lambda found: PLACES[found[1]], path) + query


class Door:
    """A keep-alive connection on which any head can be sent."""

    def __init__(self, url):
        self.address = urllib.parse.urlsplit(url).netloc
        self.connection = http.client.HTTPConnection(self.address, timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, method, path, headers):
        """The status and the fields of an answer."""
        headers = {"Host": self.address, **headers}
        self.connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self.connection.putheader(name, value)
        if method in ("POST", "PUT", "PATCH"):
            self.connection.putheader("Content-Length", "2")
        self.connection.endheaders(b"{}" if method in ("POST", "PUT", "PATCH") else None)
        answer = self.connection.getresponse()
        answer.read()
        if answer.will_close:
            self.connection.close()
        return answer.status, answer.headers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("own")
    (place / "routes.py").write_text(OWN)
    return str(place)


@pytest.fixture(scope="module")
def own(folder):
    return list(app.handlers_in(folder))


@pytest.fixture(scope="module")
def keyed(thread_server, folder, shared_keys):
    with thread_server(keys_file=str(shared_keys.path), handler_folders=[folder]) as client:
        yield client


@pytest.fixture(scope="module")
def keyless(thread_server, folder):
    with thread_server(handler_folders=[folder]) as client:
        yield client


@pytest.fixture(scope="module")
def table(own):
    """(method, path, what it needs, whether it is about one model, whether keys for some models may ask it) of all there is."""
    rows = []
    for handler in handlers(own):
        for path in places(handler):
            about = "absent" in path
            rows += [(method, path, needed(handler, method), about, handler.for_some_models) for method in METHODS]
    for page in (pages.Console, pages.Docs):
        rows += [(method, page.route, needed(page, method), False, True) for method in METHODS]
    rows += [(method, path, Scope.ANY, False, True) for path in UNKNOWN for method in METHODS]
    return rows


def test_every_route_says_what_it_needs():
    for handler in app.BUILT_IN:
        assert set(handler.scopes) == set(handler.methods()), f"{handler.__name__} needs its scopes, and no others"
        assert Scope.ANY not in handler.scopes.values()
    for rule in pages.rules(openapi.document(app.BUILT_IN)):
        target = rule.target if isinstance(rule, tornado.routing.Rule) else rule[1]
        assert set(target.scopes.values()) == {Scope.OPEN}, f"{target.__name__} is a page: it tells nothing of what is served"


def test_deeds_need_manage_and_predictions_predict(table):
    needs = {(method, path): scope for method, path, scope, *_ in table}
    for path in ("/model/load", "/model/drop?id=absent", "/command/stop", "/v2/logging", "/v2/repository/models/absent/load"):
        assert needs["POST", path] is Scope.MANAGE
    assert needs["GET", "/model/drop?id=absent"] is Scope.MANAGE
    assert needs["POST", "/v2/models/absent/infer"] is needs["POST", "/v1/models/absent:predict"] is Scope.PREDICT
    assert needs["GET", "/v2/health/live"] is needs["GET", "/v2/health/ready"] is needs["GET", "/docs"] is Scope.OPEN


@pytest.mark.proves("G17", "T1")
def test_g17_no_key_a_wrong_one_and_an_expired_one_open_nothing(keyed, table, shared_keys):
    file = shared_keys
    nothing = {
        "none": {}, "wrong": {"Authorization": "Bearer zm_wrong"}, "expired": file.bearer("expired"), "empty": {"Authorization": "Bearer "},
        "basic": {"Authorization": "Basic YTpi"}, "digest": {"X-API-Key": "0" * 64}, "query": {},
    }  # fmt: skip
    with Door(keyed.url) as door:
        for method, path, scope, *_ in table:
            for name, headers in nothing.items():
                target = f"{path}{'&' if '?' in path else '?'}key={file.texts['all']}" if name == "query" else path
                status, fields = door.ask(method, target, headers)
                if scope is Scope.OPEN:
                    assert status not in REFUSED, (method, path, name, status)
                else:
                    assert (status, fields["WWW-Authenticate"]) == (401, 'Bearer realm="0Mind"'), (method, path, name, status)


def verdict(key, scope, filtered):
    """What one of KEYS is to meet at a route that needs ``scope``; ``filtered``: it tells each key of its own models."""
    if scope is Scope.OPEN:
        return "passes"
    if key == "expired":
        return 401
    if scope is Scope.ANY or key in ("all", *scope.value.split(" or ")):
        return "passes"
    granted = filtered if key == "elsewhere" else key.startswith("not-") and key != f"not-{scope.value}"
    return "passes" if granted else 403


@pytest.mark.proves("G17")
def test_g17_a_key_opens_what_it_has_the_scope_and_the_model_for(keyed, table, shared_keys):
    with Door(keyed.url) as door:
        for method, path, scope, about, some in table:
            for name in KEYS:
                headers = shared_keys.bearer(name) if len(path) % 2 else {"X-API-Key": shared_keys.texts[name]}
                status, _ = door.ask(method, path, headers)
                wanted = verdict(name, scope, some and not about)
                assert (status if status in REFUSED else "passes") == wanted, (method, path, name, status)
    assert keyed.get("/v2/health/ready").status == 200


@pytest.mark.proves("G17", "T23")
def test_g17_another_name_of_ours_and_other_sites_pages_open_nothing(keyless, keyed, table, shared_keys):
    for server, key in ((keyless, {}), (keyed, shared_keys.bearer("all"))):
        with Door(server.url) as door:
            for method, path, *_ in table:
                assert door.ask(method, path, {**key, "Host": "evil.example"})[0] == 421, (method, path)
                for name, headers in BROWSERS.items():
                    assert door.ask(method, path, {**key, **headers})[0] == 403, (method, path, name)


@pytest.mark.proves("G17", "T23")
def test_g17_a_link_leads_to_no_deed(keyless, table):
    with Door(keyless.url) as door:
        for method, path, scope, *_ in table:
            for name, headers in LINKS.items():
                harmless = method in ("GET", "HEAD", "OPTIONS") and scope not in (Scope.MANAGE, Scope.PREDICT)
                status, _ = door.ask(method, path, headers)
                assert (status == 403) is not harmless, (method, path, name, status)


@pytest.mark.proves("G17", "T23")
def test_g17_programs_and_our_own_pages_are_not_taken_for_others(keyless, table):
    page = {"Origin": keyless.url, "Sec-Fetch-Site": "same-origin", **MOZILLA}
    with Door(keyless.url) as door:
        for method, path, *_ in table:
            for headers in ({}, {"User-Agent": "curl/8.0"}, page, {"Referer": f"{keyless.url}/console", **MOZILLA}):
                assert door.ask(method, path, headers)[0] not in REFUSED, (method, path, headers)


@pytest.mark.proves("T23")
@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"])
def test_t23_the_contracts_deeds_take_json_alone(keyless, media):
    for route in ("/model/load", "/command/stop", "/model/predict?id=absent"):
        status = keyless.post(route, '{"id": "a"}', headers={"Content-Type": media}).status
        assert status == (404 if "predict" in route else 415)


# gRPC

OIP = "/inference.GRPCInferenceService/"


@pytest.fixture(scope="module")
def methods():
    """The methods of the service, by their paths."""

    async def look(config):
        engine = Engine(config)
        try:
            return Service(engine, Gate(Hosts()), Audit()).methods
        finally:
            await engine.close()

    def of(configured):
        return {path.decode(): method for path, method in asyncio.run(look(configured())).items()}

    return of


@pytest.fixture(scope="module")
def rpcs(methods, configured):
    return methods(configured)


class Wire:
    """A channel; calls end with the name of a code."""

    def __init__(self, address, **options):
        self.channel = grpc.insecure_channel(address, options=[(f"grpc.{name}", value) for name, value in options.items()])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def ask(self, path, message=b"", headers=None):
        metadata = [(name.lower(), value) for name, value in (headers or {}).items()]
        name = path.rpartition("/")[2]
        try:
            if name in ("ModelStreamInfer", "Watch"):
                call = self.channel.stream_stream(path)(iter([message]), metadata=metadata, timeout=20)
                for answer in call:
                    call.cancel()
                    return "OK", answer
                return "OK", b""
            return "OK", self.channel.unary_unary(path)(message, metadata=metadata, timeout=20)
        except grpc.RpcError as error:
            return error.code().name, error.details()


def naming(path, rpcs):
    """A message that names the model ``absent`` where the method's messages name one: in field 1 or, of the repository, in field 2."""
    name = path.rpartition("/")[2]
    if name in ("RepositoryModelLoad", "RepositoryModelUnload", "TraceSetting"):
        return b"\x12\x06absent"
    if name in ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "ModelInfer", "ModelStreamInfer"):
        return b"\x0a\x06absent"
    return b""


CODES = ("UNAUTHENTICATED", "PERMISSION_DENIED")


@pytest.mark.proves("G17", "T1")
def test_g17_grpc_no_key_opens_nothing(keyed, rpcs, shared_keys):
    wrong = [{}, {"Authorization": "Bearer zm_wrong"}, shared_keys.bearer("expired"), {"x-api-key": "a"}]
    with Wire(keyed.server.grpc_address) as wire:
        for path in (*rpcs, OIP + "Nothing", "/no.Service/Nothing"):
            is_open = path in rpcs and rpcs[path].scope is Scope.OPEN
            for headers in wrong:
                code, _ = wire.ask(path, naming(path, rpcs), headers)
                assert (code == "UNAUTHENTICATED") is not is_open, (path, headers, code)


@pytest.mark.proves("G17")
def test_g17_grpc_a_key_opens_what_it_has_the_scope_and_the_model_for(keyed, rpcs, shared_keys):
    lists = ("RepositoryIndex", "ServerMetadata")
    with Wire(keyed.server.grpc_address) as wire:
        for path, method in rpcs.items():
            name, message = path.rpartition("/")[2], naming(path, rpcs)
            scope = Scope.READ if method.scope is Scope.ANY else method.scope
            for key in KEYS:
                code, answer = wire.ask(path, message, shared_keys.bearer(key))
                if name == "ModelStreamInfer" and code == "OK":  # its faults are messages
                    code = "PERMISSION_DENIED" if b"is not for the model" in answer else "OK"
                wanted = {"passes": None, 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}[verdict(key, scope, name in lists)]
                assert (code if code in CODES else None) == wanted, (path, key, code, answer)
        assert wire.ask(OIP + "Nothing", b"", shared_keys.bearer("read"))[0] == "UNIMPLEMENTED"


@pytest.mark.proves("G17")
@pytest.mark.parametrize("name", ["TraceSetting", "LogSettings"])
def test_g17_grpc_settings_are_read_with_one_scope_and_changed_with_another(keyed, shared_keys, name):
    change = b"\x0a\x04\x0a\x00\x12\x00"
    with Wire(keyed.server.grpc_address) as wire:
        assert wire.ask(OIP + name, b"", shared_keys.bearer("read"))[0] == "OK"
        assert wire.ask(OIP + name, change, shared_keys.bearer("read"))[0] == "PERMISSION_DENIED"
        assert wire.ask(OIP + name, change, shared_keys.bearer("not-manage"))[0] == "PERMISSION_DENIED"
        assert wire.ask(OIP + name, change, shared_keys.bearer("manage"))[0] not in CODES
        assert wire.ask(OIP + name, b"", shared_keys.bearer("manage"))[0] == "PERMISSION_DENIED"
        assert wire.ask(OIP + name, b"", shared_keys.bearer("elsewhere"))[0] == "PERMISSION_DENIED"


@pytest.mark.proves("G17", "T23")
def test_g17_grpc_another_name_of_ours_and_other_sites_pages_open_nothing(keyless, rpcs):
    with Wire(keyless.server.grpc_address, default_authority="evil.example") as other, Wire(keyless.server.grpc_address) as ours:
        for path in rpcs:
            assert other.ask(path, naming(path, rpcs))[0] == "PERMISSION_DENIED", path
            assert ours.ask(path, naming(path, rpcs), {"origin": "http://evil.example"})[0] == "PERMISSION_DENIED", path
            assert ours.ask(path, naming(path, rpcs))[0] not in CODES, path


def test_a_method_cannot_be_served_without_saying_what_it_needs(rpcs):
    with pytest.raises(TypeError):
        type(next(iter(rpcs.values())))("New")


def test_what_is_about_a_model_is_known_to_be(own):
    """A route whose path has a model in it is found to be about that model."""

    for handler in handlers(own):
        route = tornado.routing.PathMatches(handler.route)
        for path in places(handler):
            if "absent" in path and "?" not in path and "repository/some" not in path:
                start_line, connection = tornado.httputil.RequestStartLine("GET", path, "HTTP/1.1"), tornado.httputil.HTTPConnection()
                headers = tornado.httputil.HTTPHeaders({"Host": "localhost"})
                request = tornado.httputil.HTTPServerRequest(start_line=start_line, headers=headers, connection=connection)
                found = route.match(request)
                assert model_in(handler, request, found.get("path_args", []), found.get("path_kwargs", {})) == "absent", path
