"""Prompts in a chat model's own template: what somebody asks, and where the answer begins."""

from __future__ import annotations

from common.base.errors import ModelError
from llm_loc.models import LanguageModel

TWICE = (
    "The chat template and the tokenizer both begin with {token}: one of them is left out, so that "
    "the model reads it once."
)


def in_template(model: LanguageModel, prompt: str) -> tuple[str, str]:
    """A prompt as one turn of a user, up to where the model's answer begins.

    Parameters
    ----------
    model : LanguageModel
        Its tokenizer has the template.
    prompt : str
        What the user says.

    Returns
    -------
    (str, str)
        The text, to be read without further special tokens, and what a user should know of it:
        nothing, or that a token would have come twice.

    Raises
    ------
    ModelError
        If the model has no template, or it cannot be filled in.
    """
    tokenizer = model.tokenizer
    if not getattr(tokenizer, "chat_template", None):
        raise ModelError(
            f"`chat_template`: {model.name} has none, so it was not made for chatting; leave it out"
        )
    try:
        text: str = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
    except Exception as error:  # a template is a program, and may fail in any way
        reason = " ".join(str(error).split())
        raise ModelError(
            f"`chat_template` of {model.name}: cannot be filled in ({reason})"
        ) from error
    return text, _twice(model, text)


def _twice(model: LanguageModel, text: str) -> str:
    """The warning of a token that template and tokenizer both begin with, if there is one."""
    first, token = model.tokenizer.bos_token_id, model.tokenizer.bos_token
    if first is None:
        return ""
    (plain,) = model.tokens([text], special=False)
    (special,) = model.tokens([text])
    both = plain[:1] == [first] and special[:2] == [first, first]
    return TWICE.format(token=token) if both else ""
