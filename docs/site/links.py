"""Whether every link of a built site leads somewhere; its pages fetch nothing from elsewhere."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """The anchors of a page, where it leads, and what of it a browser fetches by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {""}
        self.links: list[str] = []
        self.fetched: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if value and (name == "href" or (name == "src" and tag in ("img", "script"))):
                self.links.append(value)
                if name == "src" or (tag == "link" and "stylesheet" in dict(attrs).values()):
                    self.fetched.add(value)


def broken_links(folder: Path) -> Iterator[str]:
    """What leads nowhere, a sentence for each: a file that is not there, an anchor that is not."""
    paths = sorted(folder.rglob("*.html"))
    pages = {path.relative_to(folder).as_posix(): _Page(path.read_text("utf-8")) for path in paths}
    for name, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.fetched and parts.scheme != "data":
                    yield f"{name}: fetches {link}"
                continue
            if name == "404.html":  # served for any address, so its links begin at the top
                continue
            at = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path)))
            target = at if parts.path else name
            if not (folder / target).is_file():
                yield f"{name}: {link} leads to no file"
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: {link} leads to no place of its page"
