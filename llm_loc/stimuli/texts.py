"""One text, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

from common.base.files import digest_of


@dataclass(frozen=True)
class Text:
    """One stimulus.

    Attributes
    ----------
    name : str
        What it is called in tables: its file and line.
    condition : str
        The condition that it belongs to.
    text : str
        What the model reads.
    """

    name: str
    condition: str
    text: str

    def digest(self) -> str:
        """Fingerprint of the content; see :func:`digest_of_text`."""
        return digest_of_text(self.text)


def digest_of_text(text: str) -> str:
    """Fingerprint of what a text says: case and spacing do not make it another one."""
    return digest_of(" ".join(text.casefold().split()))
