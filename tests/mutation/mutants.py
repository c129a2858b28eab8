"""Small changes of a module's code, each of which a test should notice."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Change = Callable[[], object]

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
CALLED = {
    one: other
    for pair in (
        ("min", "max"), ("any", "all"), ("maximum", "minimum"), ("argmin", "argmax"),
        ("amin", "amax"), ("floor", "ceil"), ("mean", "sum"), ("var", "std"), ("sqrt", "square"),
    )
    for one, other in (pair, pair[::-1])
}  # fmt: skip
SAID = {"left": "right", "right": "left", "higher": "lower", "stable": "quicksort"}
IDLE = {"strict", "dtype", "device"}  # guards, and what says nothing where all is on a processor
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Mutant:
    """One change of one module.

    Attributes
    ----------
    path : Path
        The module's file.
    function : str
        Name of the outermost function that it lies in; empty for a constant of the module.
    lines : range
        Lines of the code that is changed.
    node, variant : int
        Which node of the tree, as ``ast.walk`` counts, and which of its changes.
    was, becomes : str
        The code before and after.
    """

    path: Path
    function: str
    lines: range
    node: int
    variant: int
    was: str
    becomes: str

    def __str__(self) -> str:
        return f"{self.path}:{self.lines.start}: {self.was}  ->  {self.becomes}"

    def tree(self) -> ast.Module:
        """The changed module."""
        tree = ast.parse(self.path.read_text())
        [*_changes([*ast.walk(tree)][self.node])][self.variant]()
        return ast.fix_missing_locations(tree)


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every change of one module's functions, and of its constants that are plain numbers."""
    tree = ast.parse(path.read_text())
    number = {id(node): place for place, node in enumerate(ast.walk(tree))}
    for function, node in _of_module(tree):
        for variant in range(len([*_changes(node)])):
            was = _said(node)
            copy = [*ast.walk(ast.parse(path.read_text()))][number[id(node)]]
            [*_changes(copy)][variant]()
            becomes = _said(copy)
            code: Any = node.test if isinstance(node, ast.If | ast.While) else node
            lines = range(code.lineno, (code.end_lineno or code.lineno) + 1)
            yield Mutant(path, function, lines, number[id(node)], variant, was, becomes)


def _said(node: ast.AST) -> str:
    whole = ast.unparse(ast.fix_missing_locations(node))
    return " ".join(whole.split())


def _of_module(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for each in tree.body:
        if isinstance(each, FUNCTIONS):
            yield from ((each.name, node) for node in _inside(each))
        elif isinstance(each, ast.ClassDef):
            for own in each.body:
                if isinstance(own, FUNCTIONS):
                    yield from ((f"{each.name}.{own.name}", node) for node in _inside(own))
        elif isinstance(each, ast.Assign) and _is_number(each.value):
            yield "", each.value


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function that say what it does: no annotations, messages, decorators."""
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert):
        return
    if isinstance(node, ast.keyword) and node.arg in IDLE:
        return
    yield node
    left_out = {"decorator_list", "returns", "annotation"}
    for name, value in ast.iter_fields(node):
        if name in left_out:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_docstring(child):
                yield from _inside(child)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.AST) -> Iterator[Change]:
    """What can be done to a node, each by calling it."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in COMPARED[type(operator)]:
                yield lambda place=place, other=other: node.ops.__setitem__(place, other())
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        if (computed := COMPUTED.get(type(node.op))) and not _is_text(node):
            yield lambda: setattr(node, "op", computed())
    elif isinstance(node, ast.BoolOp):
        yield lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Continue):
        yield lambda: _become(node, ast.Break())
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield lambda: _become(node, ast.Pass())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield lambda: setattr(node, "op", ast.UAdd())
    elif isinstance(node, ast.UnaryOp):
        yield lambda: _become(node, node.operand)
    elif isinstance(node, ast.Constant):
        yield from _of_constant(node)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)


def _of_constant(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield lambda: setattr(node, "value", not value)
    elif isinstance(value, int):
        yield lambda: setattr(node, "value", value + 1)
    elif isinstance(value, float):
        yield lambda: setattr(node, "value", 2 * value if value else 1.0)
    elif isinstance(value, str) and value in SAID:
        yield lambda: setattr(node, "value", SAID[value])


def _of_call(node: ast.Call) -> Iterator[Change]:
    for place, keyword in enumerate(node.keywords):
        if keyword.arg not in {None, *IDLE}:
            yield lambda place=place: node.keywords.pop(place)
    called = node.func
    if isinstance(called, ast.Name) and called.id in CALLED:
        yield lambda: setattr(called, "id", CALLED[called.id])
    elif isinstance(called, ast.Attribute) and called.attr in CALLED:
        yield lambda: setattr(called, "attr", CALLED[called.attr])


def _is_text(node: ast.BinOp | ast.AugAssign) -> bool:
    return any(isinstance(each, ast.JoinedStr) for each in ast.walk(node))


def _become(node: ast.AST, other: ast.AST) -> None:
    """Turn a node into another one in place."""
    kept = {name: getattr(node, name) for name in node._attributes}
    node.__class__ = type(other)
    node.__dict__ = {**other.__dict__, **kept}
