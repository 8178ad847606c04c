"""The console and the list of routes, as Tornado rules.

The pages are plain files beside this one and in its folders; a new script or picture is served as soon as it lies here. They use
nothing but relative addresses, so that they work behind a proxy's prefix, and nothing from other hosts.
"""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import tornado.escape
import tornado.httputil
import tornado.routing
import tornado.web

from zeromind.access.scope import Scope
from zeromind.console.listing import Listing

FOLDER = Path(__file__).parent
MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@tornado.web.stream_request_body
class Page(tornado.web.RequestHandler):
    """A page or a part of one: GET and HEAD."""

    SUPPORTED_METHODS = ("GET", "HEAD")
    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.OPEN, "HEAD": Scope.OPEN}
    """No key: a browser could not send one before it has the page that asks for it. The pages tell nothing of what is served."""
    route: ClassVar[str] = ""
    summary: ClassVar[str] = ""

    def set_default_headers(self) -> None:
        """Only what this pool itself serves may run or be shown, and browsers ask each time whether it has changed."""
        self.set_header("Server", "0Mind")
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-cache")

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Let the body of a request pass: a page has no use for one, and gathering it would cost memory."""

    def head(self, *arguments: str) -> Any:
        """As GET; Tornado leaves the body out."""
        return self.get(*arguments)

    def get_template_path(self) -> str:
        """Templates lie here too."""
        return str(FOLDER)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """One line of text."""
        del kwargs
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.SUPPORTED_METHODS))
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code} {self._reason}\n")


class Console(Page):
    """The console."""

    route = "/console"
    summary = "The page on which models are shown, loaded, tried and dropped."

    def get(self) -> None:
        """The page; it asks the pool for all that it shows. Browsers fetch its modules at once, not one behind the other."""
        modules = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*.js"))
        self.render("index.html", modules=modules)


class Slash(Page):
    """The console's address as one types it who thinks of a folder."""

    def get(self) -> None:
        """The page lies one level higher, which matters to its relative addresses."""
        self.redirect("../console")


class ForBrowsers(tornado.routing.Matcher):
    """Matches / where a browser asks for it."""

    def match(self, request: tornado.httputil.HTTPServerRequest) -> dict[str, Any] | None:
        """No arguments, or None: other clients are told what the pool is."""
        wanted = request.path == "/" and request.method == "GET" and "text/html" in request.headers.get("Accept", "")
        return {} if wanted else None


class Home(Page):
    """Where a browser comes to that is told the address alone."""

    def get(self) -> None:
        """The console is there."""
        self.set_header("Vary", "Accept")
        self.redirect("console")


class Part(Page):
    """The scripts, the style and the pictures of the pages."""

    def get(self, name: str) -> None:
        """One of them, compressed for whoever takes that; or 404."""
        path = FOLDER / name
        try:
            data = path.read_bytes()
        except OSError:
            raise tornado.web.HTTPError(404) from None
        self.set_header("Content-Type", MEDIA[path.suffix])
        self.set_header("Vary", "Accept-Encoding")
        if _takes_gzip(self.request.headers.get("Accept-Encoding", "")):
            self.set_header("Content-Encoding", "gzip")
            data = _packed(data)
        self.finish(data)


class Docs(Page):
    """Every route and every fault."""

    route = "/docs"
    summary = "This page: every route, what it takes and gives, and the table of errors."

    def initialize(self, listing: Listing) -> None:
        """Take what is to be listed."""
        self._listing = listing

    def get(self) -> None:
        """The page; its examples speak of the address under which the reader reached it."""
        base = f"{self.request.protocol}://{self.request.host}"
        self.render("docs.html", listing=self._listing, curl=lambda example: curl(base, example), marked=marked)


def _takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, as every browser's does; one that weighs codings gets the file as it is."""
    return "gzip" in [coding.strip().lower() for coding in accepted.split(",")]


def _packed(data: bytes) -> bytes:
    """The bytes as gzip, without a time in it: the same ones each time, so that the ETag is the same."""
    deflater = zlib.compressobj(wbits=31)
    return deflater.compress(data) + deflater.flush()


def marked(text: str) -> str:
    """HTML of a text in which what stands between backquotes is code."""
    parts = enumerate(map(tornado.escape.xhtml_escape, text.split("`")))
    return "".join(f"<code>{part.strip()}</code>" if place % 2 else part for place, part in parts)


def curl(base: str, example: Mapping[str, str]) -> str:
    """The command line that sends an example, quoted for a POSIX shell."""
    words = ["curl"]
    if example["method"] != ("POST" if example["body"] or example["file"] else "GET"):
        words += ["-X", example["method"]]
    if example["body"]:
        words += ["-H", f"Content-Type: {example['media']}", "-d", example["body"]]
    elif example["file"]:
        words += ["-H", f"Content-Type: {example['media']}", "--data-binary", f"@{example['file']}"]
    return shlex.join([*words, base + example["target"]])


LISTED: tuple[type[Page], ...] = (Console, Docs)
"""Those that a list of routes shows."""


def rules(document: Mapping[str, Any]) -> list[Any]:
    """The pages' rules; ``document`` is the OpenAPI document that /docs shows."""
    return [
        tornado.routing.Rule(ForBrowsers(), Home),
        (Console.route, Console),
        (r"/console/", Slash),
        (r"/console/((?:[a-z]+/)?[a-z]+\.(?:css|js|svg))", Part),
        (Docs.route, Docs, {"listing": Listing(document)}),
    ]
