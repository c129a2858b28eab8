"""The texts of the language phantom: held against a second grammar, and no two splits share one."""

from __future__ import annotations

import re

import numpy as np
import pytest

from llm_loc import phantom
from llm_loc.phantom import lexicon as lx
from llm_loc.phantom.nonwords import nonwords
from llm_loc.phantom.train import RECIPES, Recipe, draw_all
from llm_loc.stimuli import Benchmark, benchmark, localizer

FEW = Recipe({kind: n // 80 for kind, n in RECIPES["lm"].texts.items()})


def tags() -> dict[str, str]:
    """One letter a word; capitals and ``v`` are plural, small letters and ``s`` singular."""
    found = {"the": "e", "that": "c", "himself": "h", "herself": "i", "themselves": "o"}
    found |= dict.fromkeys(lx.COUNTERPARTS, "d") | dict.fromkeys(lx.COUNTERPARTS.values(), "D")
    found |= dict.fromkeys(lx.ADJECTIVES, "a") | dict.fromkeys(lx.ADVERBS, "r")
    found |= dict.fromkeys(lx.PREPOSITIONS, "p") | dict.fromkeys(lx.JOINERS, "j")
    kinds = {"m": lx.MEN, "w": lx.WOMEN, "x": lx.ANIMALS, "t": lx.THINGS}
    for letter, nouns in kinds.items():
        for noun in nouns:
            found |= {lx.inflect(noun, False): letter, lx.inflect(noun, True): letter.upper()}
    for verb in lx.VERBS:
        found |= {lx.conjugate(verb, False): "s", lx.conjugate(verb, True): "v"}
    return found


def grammar() -> re.Pattern[str]:
    one, many = "[de]a?[mwxt]", "[De]a?[MWXT]"
    phrase = f"(?:{one}|{many})"
    object_relative = f"c(?:{one}s|{many}v)"
    end = f"(?:r|p{phrase})?"

    def clause(nouns: str, verb: str, reflexive: str) -> str:
        determiner = "[De]" if verb == "v" else "[de]"
        modifier = f"(?:p{phrase}|c{verb}{phrase}|{object_relative})?"
        return f"{determiner}a?[{nouns}]{modifier}{verb}(?:{phrase}|{reflexive})?{end}"

    clauses = [
        clause("m", "s", "h"),
        clause("w", "s", "i"),
        clause("x", "s", phrase),
        clause("MW", "v", "o"),
        clause("X", "v", phrase),
    ]
    any_clause = f"(?:{'|'.join(clauses)})"
    return re.compile(f"(?:(?:{one}s|{many}v)c)?{any_clause}|{any_clause}j{any_clause}")


TAGS, GRAMMAR = tags(), grammar()


def is_english(text: str) -> bool:
    return GRAMMAR.fullmatch("".join(TAGS[word] for word in text.split())) is not None


def clauses_of(text: str) -> list[str]:
    holding = "|".join(lx.conjugate(v, plural) for v in lx.HOLD_TRUE for plural in (False, True))
    under = re.split(rf"\b(?:{holding}) that ", text)[-1]
    return re.split(rf" (?:{'|'.join(lx.JOINERS)}) ", under)


@pytest.fixture(scope="module")
def trained_on() -> set[str]:
    """Texts that the training draws."""
    return set(draw_all(FEW))


@pytest.fixture(scope="module")
def items() -> Benchmark:
    return benchmark("phantom-lm")


def wrong_texts(items: Benchmark) -> tuple[str, ...]:
    return tuple(bad for _, bad in items.choices)


def test_sentences_are_english_of_twelve_words() -> None:
    texts = phantom.draw("sentence", 400, "localizer")
    assert len(set(texts)) == 400
    assert {len(text.split()) for text in texts} == {phantom.N_WORDS}
    assert [text for text in texts if not is_english(text)] == []
    assert is_english("the dogs near the girl sleep")
    assert not is_english("the dogs near the girl sleeps")


def test_nonword_strings_have_the_lengths_of_sentences_and_none_of_their_words() -> None:
    strings = phantom.draw("nonword", 240, "localizer")
    assert {len(text.split()) for text in strings} == {phantom.N_WORDS}
    words = {word for text in strings for word in text.split()}
    assert not words & lx.WORDS
    assert all(re.search("[aeiouy]", word) for word in words)
    letters = [
        np.mean([len(text.replace(" ", "")) for text in phantom.draw(kind, 240, "localizer")])
        for kind in ("sentence", "nonword")
    ]
    assert letters[0] == pytest.approx(letters[1], rel=0.02)


@pytest.mark.parametrize("n_letters", sorted({len(word) for word in lx.WORDS}))
def test_there_are_nonwords_of_every_length_for_every_split_that_needs_them(n_letters: int) -> None:
    found = nonwords(n_letters)
    assert {len(word) for word in found} == {n_letters}
    assert {"train", "localizer"} <= {phantom.split_of(word) for word in found}


def test_right_sentences_are_english_and_wrong_ones_are_not(items: Benchmark) -> None:
    language = items.levels["field"] == phantom.LANGUAGE
    good, bad = np.array(items.good)[language], np.array(wrong_texts(items))[language]
    assert [text for text in good if not is_english(text)] == []
    assert [text for text in bad if is_english(text)] == []
    assert [text for text in bad if len(set(text.split()) - lx.WORDS)] == []


def test_right_sequences_follow_their_rule_and_wrong_ones_part_at_the_end(items: Benchmark) -> None:
    def follows(kind: str, text: str) -> bool:
        parts = text.split()
        if kind == "counting":
            return len(set(np.diff([int(part) for part in parts]))) == 1
        if kind == "copying":
            half = parts.index("=")
            return parts[:half] == parts[half + 1 :]
        n = len(set(parts))
        return all(one == two for one, two in zip(parts, parts[n:], strict=False))

    for kind, (good, bad) in zip(items.levels["phenomenon"], items.choices, strict=True):
        if phantom.PHENOMENA[kind] == phantom.SEQUENCE:
            assert follows(kind, good)
            assert not follows(kind, bad)
            assert good.split()[:-1] == bad.split()[:-1]


def test_half_of_the_pairs_is_language_and_none_comes_twice(items: Benchmark) -> None:
    assert len(items.good) >= 300
    assert len(set(items.good)) == len(items.good)
    assert (items.target, items.other) == ("language", "sequence")
    assert (items.groups == "language").sum() == (items.groups == "sequence").sum()
    assert set(items.levels["phenomenon"]) == set(phantom.PHENOMENA)
    # What goes on from a text is never the likelier, so no pair may be a text and its beginning.
    assert not any(a.startswith(b) or b.startswith(a) for a, b in items.choices)


def test_no_clause_is_in_two_splits(items: Benchmark, trained_on: set[str]) -> None:
    for split in ("train", "localizer"):
        for text in phantom.draw("sentence", 300, split):
            assert {phantom.split_of(clause) for clause in clauses_of(text)} == {split}
    language = [text for text in items.good if text.split()[0] in lx.WORDS]
    assert {phantom.split_of(text) for text in language} == {"eval"}
    trained_clauses = {clause for text in trained_on for clause in clauses_of(text)}
    assert not trained_clauses & set(items.good)


def test_training_localizer_and_evaluation_share_no_text(
    items: Benchmark, trained_on: set[str]
) -> None:
    shown = localizer("phantom-lm")
    read = {text.text for text in (*shown.target, *shown.control)}
    asked = {*items.good, *wrong_texts(items)}
    assert not read & trained_on
    assert not read & asked
    assert not asked & trained_on
    words = {word for text in shown.control for word in text.text.split()}
    assert not words & {word for text in trained_on for word in text.split()}


def test_texts_are_a_function_of_what_is_asked() -> None:
    assert phantom.draw("nonword", 20, "localizer") == phantom.draw("nonword", 20, "localizer")
    assert phantom.draw("sentence", 20, "train", 1) != phantom.draw("sentence", 20, "train", 2)
    assert phantom.draw_pairs(30, "eval") == phantom.draw_pairs(30, "eval")
    with pytest.raises(ValueError, match="kind 'prose'"):
        phantom.draw("prose", 1, "train")
    with pytest.raises(ValueError, match="split 'test'"):
        phantom.draw("sentence", 1, "test")
