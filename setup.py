"""How a wheel is made: the folders of the checkout become one package, ``funcloc``.

In the checkout they are imported by their own names (``from common import …``). A wheel that held
them so would put ``common``, ``browser`` and ``app`` beside everybody else's packages. So their
copies in the wheel, and these alone, import each other as ``funcloc.common``. An editable install
is the checkout.
"""

from __future__ import annotations

import ast
import re
import runpy
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info

NAME = "funcloc"
PARTS = runpy.run_path(str(Path(__file__).with_name(NAME) / "__init__.py"))["PARTS"]
OURS = "|".join(PARTS)
FROM = re.compile(rf"^(\s*(?:>>> )?from )((?:{OURS})\b(?:\.\w+)* import )", re.MULTILINE)
WHOLE = re.compile(rf"^(\s*(?:>>> )?)import ({OURS})$", re.MULTILINE)


def packed(source: str) -> str:
    """Source as it stands in the wheel: it imports the parts from the package.

    Raises
    ------
    ValueError
        If it imports one in a way that is not seen here.
    """
    found = WHOLE.sub(rf"\1from {NAME} import \2", FROM.sub(rf"\1{NAME}.\2", source))
    for node in ast.walk(ast.parse(found)):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        if wrong := [name for name in names if name.partition(".")[0] in PARTS]:
            raise ValueError(f"line {node.lineno}: write `from {wrong[0]} import …`")
    return found


class Packed(build_py):
    """Moves the parts into the package, but for an editable install."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        library = Path(self.build_lib)
        for part in PARTS:
            for built in (library / part, library / f"{part}.py"):
                place = library / NAME / built.name
                if place.is_dir():
                    shutil.rmtree(place)
                if built.exists():
                    built.replace(place)
        (library / "setup.py").unlink(missing_ok=True)  # which belongs to the sdist alone
        for file in (library / NAME).rglob("*.py"):
            file.write_text(packed(file.read_text(encoding="utf-8")), encoding="utf-8")


class Named(egg_info):
    """Says that the one package is all that there is at the top."""

    def run(self) -> None:
        super().run()
        (Path(self.egg_info) / "top_level.txt").write_text(f"{NAME}\n", encoding="utf-8")


if __name__ == "__main__":
    setup(cmdclass={"build_py": Packed, "egg_info": Named})
