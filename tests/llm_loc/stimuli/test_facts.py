"""Facts that are asked for: matched pairs of which one is right, none of them the localizer's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from common.base.errors import DataError, SettingError
from common.base.tables import read_table
from common.data.manifest import bundled_folder
from llm_loc.stimuli import benchmark, digest_of_text, localizer
from llm_loc.stimuli.facts import RECALL, RELATIONS, RESTATED, draw_items, exchanged
from llm_loc.stimuli.fewer import fewer


def test_facts_are_many_of_several_relations_and_none_is_asked_twice() -> None:
    facts = read_table(bundled_folder() / "facts-asked.csv")
    assert len(facts) >= 120
    assert set(facts["relation"]) == set(RELATIONS)
    assert facts["relation"].value_counts().min() >= 15
    assert not facts.duplicated(["relation", "subject"]).any()
    # A subject's object must not be said by its name.
    for subject, right in zip(facts["subject"], facts["object"], strict=True):
        assert not {*subject.split()} & {*right.split()}


def test_no_fact_is_the_localizers() -> None:
    used = [text.text for text in localizer("facts").target]
    words = {"symbol": "chemical symbol of ", "author": "writer of ", "capital": "capital city of ",
             "currency": "used in ", "language": "language of "}  # fmt: skip
    facts = read_table(bundled_folder() / "facts-asked.csv")
    for relation, subject in zip(facts["relation"], facts["subject"], strict=True):
        if relation in words:
            assert not any(f"{words[relation]}{subject} " in text for text in used), subject
    evaluated = {digest for _, digest in benchmark("facts").digests()}
    for side in (localizer("facts").target, localizer("facts").control):
        assert not evaluated & {digest_of_text(text.text) for text in side}


def test_pairs_differ_in_the_object_alone_and_each_is_wrong_as_often_as_right() -> None:
    items = draw_items(0)
    facts = read_table(bundled_folder() / "facts-asked.csv")
    right = {f"{r}/{s}": o for r, s, o in facts[["relation", "subject", "object"]].to_numpy()}
    objects = {r: Counter(facts[facts["relation"] == r]["object"]) for r in RELATIONS}
    wrong: dict[str, Counter[str]] = {relation: Counter() for relation in RELATIONS}
    for item in (each for each in items if each.task == RECALL):
        own = right[item.name.removeprefix(f"{RECALL}/")]
        assert item.good.endswith(f"{own}.")
        shared = item.good.removesuffix(f"{own}.")
        assert item.bad.startswith(shared)
        other = item.bad.removeprefix(shared).removesuffix(".")
        assert other != own
        wrong[item.relation][other] += 1
    assert wrong == objects
    recall, restated = (
        {item.name.partition("/")[2]: item for item in items if item.task == task}
        for task in (RECALL, RESTATED)
    )
    assert recall.keys() == restated.keys()
    for name, item in restated.items():
        before = item.good.removesuffix(recall[name].good)
        assert item.bad == before + recall[name].bad
        assert right[name].lower() in before.lower()  # so that nothing has to be recalled
        assert before[:1].isupper()


def test_the_draw_is_the_seeds() -> None:
    assert draw_items(0) == draw_items(0) != draw_items(1)
    assert sorted(exchanged("capital", ["a", "b", "c"], 0)) == ["a", "b", "c"]
    with pytest.raises(DataError, match="the objects of capital are too much alike"):
        exchanged("capital", ["a", "a", "b"], 0)


def test_a_relation_that_is_not_known_is_named(tmp_path: Path) -> None:
    (tmp_path / "facts-asked.csv").write_text("relation,subject,object\nmoon,Mars,Phobos\n")
    with pytest.raises(DataError, match="no relation 'moon' is known; there are capital"):
        draw_items(0, tmp_path)


def test_neutral_pairs_are_of_enough_kinds_and_without_names() -> None:
    neutral = [item for item in draw_items(0) if item.task == "neutral"]
    assert min(Counter(item.relation for item in neutral).values()) >= 12
    assert len({item.relation for item in neutral}) >= 6  # or they could not be resampled whole
    known = {"I"}
    for item in neutral:
        assert item.good != item.bad
        words = item.good.split()[1:]
        assert not [word for word in words if word[:1].isupper() and word not in known], item.good


def test_groups_are_recall_restated_and_neutral() -> None:
    found = benchmark("facts")
    assert (found.target, found.other) == ("recall", "restated")
    assert Counter(found.groups.tolist()) == {"recall": 183, "restated": 183, "neither": 96}
    assert [*found.levels] == ["task", "asked", "relation"]
    assert set(found.labels[found.groups == "recall"]) == set(RELATIONS)
    assert found.chances["recall"] == 0.5
    plain = benchmark("facts", target="recall", other="neutral")
    assert (plain.groups == "neutral").sum() == 96
    by_relation = benchmark("facts", target="recall capital", other="restated capital")
    assert (by_relation.groups == "recall capital").sum() == 28
    with pytest.raises(SettingError, match="`target_group` recalled: facts has none such"):
        benchmark("facts", target="recalled")


@pytest.mark.parametrize("other", [RESTATED, "neutral"])
def test_a_part_of_the_facts_is_the_same_facts_in_every_task(other: str) -> None:
    some = fewer(benchmark("facts", other=other), 5)
    asked = {
        task: {name.split("/", 2)[2] for name in some.names if name.startswith(f"facts/{task}/")}
        for task in (RECALL, RESTATED)
    }
    assert asked[RECALL] == asked[RESTATED]
    each = Counter(fact.split("/")[0] for fact in asked[RECALL])
    assert each == dict.fromkeys(RELATIONS, 5)
    assert some.groups.tolist().count(RECALL) == 5 * len(RELATIONS)
    assert "need not be wrong as often" in (some.warning or "")
    assert "need not be" not in (benchmark("facts").warning or "")


def test_a_part_of_facts_beside_other_items_is_a_part_of_both() -> None:
    some = fewer(benchmark("facts,phantom-lm"), 5)
    facts = {
        of or name for of, name in zip(some.whole or (), some.names, strict=True)
        if name.startswith("facts/")
    }  # fmt: skip
    assert len(facts) == 5  # which are one paradigm beside others
    others = [name for name in some.names if not name.startswith("facts/")]
    assert len(others) == len(fewer(benchmark("phantom-lm"), 5).names)


def test_of_all_facts_nothing_else_is_said() -> None:
    whole = benchmark("facts")
    assert fewer(whole, 1000).warning == whole.warning
