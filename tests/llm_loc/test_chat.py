"""Prompts in a model's own chat template."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from common.base.errors import ModelError
from common.study.declared import say_settings
from llm_loc import cli
from llm_loc.chat import in_template
from llm_loc.experiment import Settings, generate_under, localize_only
from llm_loc.generate import Sampling, continuations
from llm_loc.models import LanguageModel
from tests.llm_loc.conftest import ModelMaker, make_tokenizer, save_model

TURN = (
    "{% for each in messages %}|{{ each.role }}| {{ each.content }} {% endfor %}"
    "{% if add_generation_prompt %}|assistant| {% endif %}"
)
WITH_BOS = "{{ bos_token }}" + TURN


def chatting(model: LanguageModel, template: str | None, bos: bool = True) -> LanguageModel:
    """The same model with a tokenizer that has a template."""
    tokenizer = make_tokenizer(bos=bos)
    tokenizer.chat_template = template
    return replace(model, tokenizer=tokenizer)


def test_a_prompt_is_a_turn_of_the_user(make_model: ModelMaker) -> None:
    text, warning = in_template(chatting(make_model(), TURN), "the dog")
    assert (text, warning) == ("|user| the dog |assistant| ", "")


@pytest.mark.parametrize(
    ("template", "bos", "twice"),
    [(WITH_BOS, True, True), (WITH_BOS, False, False), (TURN, True, False)],
)
def test_a_first_token_that_would_come_twice_is_told_and_comes_once(
    template: str, bos: bool, twice: bool, make_model: ModelMaker
) -> None:
    model = chatting(make_model(), template, bos)
    text, warning = in_template(model, "the dog")
    assert ("both begin with <s>" in warning) == twice
    (ids,) = model.tokens([text], special=False)
    assert ids.count(0) == (template == WITH_BOS)
    sampling = Sampling(max_new_tokens=6)
    assert continuations(model, text, sampling, special=False) == continuations(
        chatting(model, template, bos=False), text, sampling
    )


def test_what_has_no_template_or_a_broken_one(make_model: ModelMaker) -> None:
    with pytest.raises(ModelError, match="has none, so it was not made for chatting"):
        in_template(chatting(make_model(), None), "the dog")
    broken = "{{ raise_exception('no such role') }}"
    with pytest.raises(ModelError, match=r"cannot be filled in \(no such role\)"):
        in_template(chatting(make_model(), broken), "the dog")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[tuple[Path, ...]], Path]:
    """The map of a chat model."""
    model = save_model(tmp_path_factory.mktemp("chat"))
    tokenizer = make_tokenizer()
    tokenizer.chat_template = WITH_BOS
    tokenizer.save_pretrained(model)

    def made(own_files: tuple[Path, ...]) -> Path:
        folder = model.parent / f"{model.name}-map"
        if not folder.exists():
            target, control, *_ = own_files
            settings = Settings(model=f"local/{model}", target=target, control=control, top=(10,),
                                device="cpu", untrained_seeds=0)  # fmt: skip
            localize_only(settings, folder)
        return folder

    return made


def test_generate_with_and_without(
    mapped: Callable[[tuple[Path, ...]], Path],
    own_files: tuple[Path, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = mapped(own_files)
    told: list[str] = []
    how = {"sampling": Sampling(max_new_tokens=6), "top": (10,), "controls": ()}
    plain = generate_under(folder, "the dog", **how)  # type: ignore[arg-type]
    asked = generate_under(folder, "the dog", chat=True, warn=told.append, **how)  # type: ignore[arg-type]
    assert list(asked) == list(plain) == ["intact", "top-10"]
    assert asked != plain
    assert len(told) == 1
    words = ["llm-loc", "generate", "--map", str(folder), "--prompt", "the dog", "--top", "10",
             "--controls", "", "--max-new-tokens", "6", "--chat-template"]  # fmt: skip
    for more in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", [*words, *more])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
    printed = capsys.readouterr().out
    assert "both begin with <s>" in " ".join(printed.split())
    said = json.loads(printed[printed.index("\n{") :])
    assert said["texts"] == asked
    assert len(said["warnings"]) == 1
    assert "chat_template" not in say_settings(Settings("m"))
