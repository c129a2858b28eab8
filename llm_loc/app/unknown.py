"""What a phantom does not know of a prompt: it was taught the words of an invented language."""

from __future__ import annotations

from llm_loc.models import LanguageModel

SHOWN = 5  # words that are named


def say_unknown(model: LanguageModel, prompt: str) -> str:
    """Which words of a prompt a phantom cannot know; nothing where it knows them all.

    Each word that it was taught is one token of its own; it reads others in pieces, of which it
    was taught nothing. Other models are made of pieces of words, and say nothing.

    Parameters
    ----------
    model : LanguageModel
        Held by the caller.
    prompt : str
        What it is to go on from.
    """
    words = [*dict.fromkeys(prompt.split())]
    if not model.name.startswith("phantom/") or not words:
        return ""
    read = model.tokens([f" {word}" for word in words], special=False)
    unknown = [word for word, ids in zip(words, read, strict=True) if len(ids) > 1]
    if not unknown:
        return ""
    named = ", ".join(word[:20] for word in unknown[:SHOWN])
    more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
    return (
        f"{model.name} knows the words of a small invented language and no others. It was never "
        f"taught {named}{more}, reads them letter by letter, and what it writes after them says "
        "nothing."
    )
