"""The Hugging Face hub: whether it can be reached, and why something cannot be had from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants, get_session
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

SECONDS = 5.0

# In the order of asking: a gated repository is a kind of repository that is not found.
REASONS: dict[type[BaseException], str] = {
    GatedRepoError: "its terms must be accepted on the hub first; then log in with: hf auth login",
    RepositoryNotFoundError: "the hub has no such repository, or it is private (hf auth login)",
    RevisionNotFoundError: "the hub has no such revision of it",
    LocalEntryNotFoundError: "it is not in the cache, and the hub cannot be reached",
    OfflineModeIsEnabled: "it is not in the cache, and the hub cannot be reached",
}


@contextmanager
def hub_or_cache() -> Iterator[None]:
    """Inside this context, the cache alone is read if the hub cannot be reached.

    The hub's own library would ask for every file again and again, for half a minute each.
    """
    if constants.HF_HUB_OFFLINE or _reachable():
        yield
        return
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = False


def _reachable() -> bool:
    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception:  # whatever hinders the asking hinders the download too
        return False
    return True


def hub_reason(error: BaseException | None) -> str | None:
    """Why something could not be had from the hub; ``None`` if the error is about another thing."""
    while error is not None:
        for kind, reason in REASONS.items():
            if isinstance(error, kind):
                return reason
        error = error.__cause__ or error.__context__
    return None
