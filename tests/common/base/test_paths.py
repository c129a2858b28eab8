"""What a page says carries no path of the machine that it runs on."""

from __future__ import annotations

import pytest

from common.base.paths import without_paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/me/runs/a: is running; stop it", "a: is running; stop it"),
        ("nothing there (looked for /a/b/c, ~/models/d; X)", "nothing there (looked for c, d; X)"),
        ("'/srv/data/face.png' is broken", "'face.png' is broken"),
        ("floc:faces in local//srv/models/x", "floc:faces in local/x"),
        ("local/x and hf/org/name, and/or 3/4 of https://a.org/b/c", None),
        ("/ and /single and models/late stay", None),
    ],
)
def test_a_path_is_its_last_part(text: str, expected: str | None) -> None:
    assert without_paths(text) == (text if expected is None else expected)
