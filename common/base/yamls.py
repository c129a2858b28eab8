"""YAML that people write: a key that comes twice is an error, for one value would be lost."""

from __future__ import annotations

from typing import Any

import yaml


class _Strict(yaml.SafeLoader):
    """Plain values alone, as the safe loader makes them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, each of whose keys was written once."""
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            word = (key.tag, str(key.value))
            if isinstance(key, yaml.ScalarNode) and word in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} comes twice", key.start_mark
                )
            seen.add(word)
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """What a text in YAML says.

    Raises
    ------
    yaml.YAMLError, ValueError, RecursionError
        If it is none, is nested too deeply, or has a key twice.
    """
    return yaml.load(text, _Strict)
