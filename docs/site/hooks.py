"""What mkdocs does beyond ``mkdocs.yml``: see the functions that it calls by name."""

from __future__ import annotations

import ast
import base64
import html
import json
import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from links import broken_links  # mkdocs looks beside a hook
from mkdocs.structure.files import File, Files
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[2]

LOG = logging.getLogger("mkdocs.hooks.funcloc")
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
}
"""Pages that lie outside of docs/, and what they are called in the site."""
LINK = re.compile(r"(\]\()([^)#\s:]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
ROLE = re.compile(r":(?:func|class|mod|meth|data|attr):<code>~?([\w.]+)</code>")


def on_config(config: Any) -> Any:
    """Headings get the anchors that they have on a forge, so that links work on both."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie elsewhere, and the notebooks as pages."""
    for source, target in ELSEWHERE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=relinked(text, source, target)))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for target, content in notebook_page(path):
            files.append(File.generated(config, target, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to what lies elsewhere lead to its page; the names of the core are listed."""
    if not page.file.generated_by:
        markdown = relinked(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)
    return re.sub(r"<!-- all of (\w+) -->", lambda found: public_names(found[1]), markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Formulas become MathML, which browsers draw by themselves; roles of docstrings links."""
    content = FORMULA.sub(formula, content)
    content = ROLE.sub(lambda found: reference(found[1], content), content)
    return content.replace("::</p>", ":</p>")


def on_post_build(config: Any) -> None:
    """Follow every link of the site that stays in it."""
    for told in broken_links(Path(config.site_dir)):
        LOG.warning(told)


# --- pages ---


def relinked(text: str, source: str, target: str) -> str:
    """A page's links, from where it lies in the repository to where it lies in the site."""

    def moved(found: re.Match[str]) -> str:
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[2]))
        if place.endswith(".ipynb"):
            place = place.removesuffix(".ipynb") + ".md"
        inside = ELSEWHERE.get(place, place.removeprefix("docs/"))
        return f"]({posixpath.relpath(inside, posixpath.dirname(target) or '.')}{found[3] or ''})"

    parts = FENCE.split(text)
    return "".join(each if each.startswith("```") else LINK.sub(moved, each) for each in parts)


def public_names(package: str) -> str:
    """What mkdocstrings shall show of a package: each of its public names."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    lists = (each for each in tree.body if isinstance(each, ast.Assign))
    names = next(each.value for each in lists if getattr(each.targets[0], "id", "") == "__all__")
    return "\n\n".join(f"::: {package}.{name}" for name in ast.literal_eval(names))


def notebook_page(path: Path) -> list[tuple[str, str | bytes]]:
    """A notebook as a page, and the pictures in it."""
    name, parts, pictures = f"notebooks/{path.stem}", [], []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(relinked(source, f"{name}.ipynb", f"{name}.md"))
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                pictures.append((f"{name}-{len(pictures) + 1}.png", data["image/png"]))
                parts.append(f"![what the cell above draws]({Path(pictures[-1][0]).name})")
            elif "text/html" in data:
                parts.append(f'<div class="output" markdown="0">{_flat(data["text/html"])}</div>')
            else:
                parts.append(f"```{{.text .output}}\n{''.join(data['text/plain']).rstrip()}\n```")
    page = "\n\n".join(parts) + f"\n\nThe notebook: `{name}.ipynb`.\n"
    return [(f"{name}.md", page), *((at, base64.b64decode(png)) for at, png in pictures)]


def _flat(markup: list[str] | str) -> str:
    """Markup without the empty lines that would end it in Markdown."""
    return re.sub(r"\n\s*\n", "\n", "".join(markup))


# --- their markup ---


def formula(found: re.Match[str]) -> str:
    """A formula as MathML."""
    display = "block" if found[1] == "div" else "inline"
    return convert(html.unescape(found[2]), display=display)


def reference(name: str, content: str) -> str:
    """What a docstring refers to: a link where it is on the page, else its name."""
    short = f"<code>{name.rsplit('.', 1)[-1]}</code>"
    return f'<a href="#{name}">{short}</a>' if f'id="{name}"' in content else short
