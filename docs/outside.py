"""A hook of MkDocs: files that live outside of docs/ become part of the site, and links to them lead there."""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PAGES = {"CHANGELOG.md": "changes.md", "CONTRIBUTING.md": "contributing.md", "README.md": "index.md"}
"""Pages of the repository by the names that they have on the site."""
SHOWN = ("examples", "deploy", "configs")
"""Folders whose files can be read on the site, as they are."""
LINK = re.compile(r"(\]\(|src=\")(?!\w+:|#|/)([^)#\"\s]+)")


def on_files(files, config):
    """The pages that only the repository has, and the folders to look into."""
    for path, name in PAGES.items():
        if name != "index.md":
            files.append(File.generated(config, name, content=(ROOT / path).read_text(encoding="utf-8")))
    for path in sorted(path for folder in SHOWN for path in (ROOT / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            files.append(File.generated(config, f"files/{path.relative_to(ROOT)}", content=path.read_bytes()))
    return files


def on_page_markdown(markdown, page, **_):
    """A page with links that lead out of docs/ turned to what the site has of it; a link that leads nowhere stays, and is an error."""
    name = page.file.src_uri
    inside = {site: path for path, site in PAGES.items() if site != "index.md"}
    place = posixpath.dirname(inside.get(name, f"docs/{name}"))
    return LINK.sub(lambda link: link[1] + _on_site(posixpath.normpath(posixpath.join(place, link[2])), name, link[2]), markdown)


def _on_site(path, page, written):
    """How a page of the site writes the link to a file of the repository."""
    if path in PAGES:
        target = PAGES[path]
    elif path.startswith("docs/"):
        target = path.removeprefix("docs/")
    elif (ROOT / path).is_file() and path.partition("/")[0] in SHOWN:
        target = f"files/{path}"
    else:
        return written
    return posixpath.relpath(target, posixpath.dirname(page) or ".")
