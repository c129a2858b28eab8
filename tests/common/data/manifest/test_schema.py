"""Manifests: those that ship, and those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.base.errors import ManifestError
from common.data.manifest import known_manifests, load_manifest
from tests.common.data.manifest.conftest import GOOD

# --- those that ship ---


@pytest.mark.parametrize("name", known_manifests())
def test_every_manifest_that_ships_is_valid(name: str) -> None:
    manifest = load_manifest(name)
    assert manifest.name == name
    assert manifest.source.url
    assert manifest.conditions or manifest.evaluation or manifest.pairs or manifest.text
    for contrast in manifest.contrasts:
        assert manifest.contrast(contrast)[0] == contrast


def test_the_manifests_of_the_design_ship() -> None:
    wanted = {"floc", "imagenet-sample", "phantom", "phantom-planted", "tinyimagenet100"}
    assert wanted <= set(known_manifests())


def test_floc_has_five_contrasts_over_ten_categories_and_scrambled_pictures_apart() -> None:
    floc = load_manifest("floc")
    assert set(floc.contrasts) == {"faces", "places", "bodies", "characters", "objects"}
    for contrast in floc.contrasts.values():
        assert {*contrast.target, *contrast.control} == set(floc.conditions) - {"scrambled"}
    assert len(floc.conditions) == 11
    assert floc.localizers[5:7] == ["faces:scrambled", "bodies:scrambled"]
    name, contrast = floc.contrast("faces:scrambled")
    assert (name, contrast.target, contrast.control) == (
        "faces:scrambled", ("adult", "child"), ("scrambled",)
    )  # fmt: skip
    assert floc.contrast("faces:car,house")[1].control == ("car", "house")


# --- reading ---


def test_a_manifest_is_read_from_its_path(write) -> None:
    manifest = load_manifest(write(GOOD))
    assert manifest.name == "small"
    assert manifest.conditions["face"].n == 4
    assert manifest.contrasts["faces"].control == ("car",)
    assert manifest.evaluation is not None
    assert manifest.evaluation.label == "class_index"


WRONG = {
    "an unknown key": ("about:", "colour: red\nabout:", "colour"),
    "an unknown key inside": ("n: 4", "number: 4", "conditions.face.number"),
    "a missing key": ("about: A few pictures.\n", "", "about"),
    "a wrong type": ("n: 4", "n: many", "conditions.face.n"),
    "no pictures": ("n: 4", "n: 0", "conditions.face.n"),
    "an unknown condition": ("control: [car]", "control: [boat]", "condition boat"),
    "no target": ("target: [face], control", "control", "contrasts.faces.target"),
    "an empty side": ("control: [car]", "control: []", "contrasts.faces.control"),
    "a condition on both sides": ("[car]}", "[car, face]}", "face is both"),
    "files and draw": ("draw: car", "draw: car, files: x", "conditions.car: "),
    "neither files nor draw": ("draw: car", "n: 3", "conditions.car: "),
    "table and draw": ("table: labels.csv", "table: labels.csv, draw: true", "evaluation: "),
    "neither table nor draw": ("table: labels.csv, ", "", "evaluation: "),
    "a name that leaves its folder": ("name: small", "name: ../small", "name"),
    "an empty name": ("name: small", "name: ''", "name"),
    "broken YAML": ("source: {url", "source: {url: [", "no YAML"),
    "a date that is none": ("about: A few pictures.", "about: 2001-99-99", "no YAML"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_manifest_is_an_error_of_one_line_that_names_the_culprit(write, what: str) -> None:
    right, wrong, culprit = WRONG[what]
    assert right in GOOD
    path = write(GOOD.replace(right, wrong, 1))
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    assert culprit in str(caught.value)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", b"name: \xff\xfe", b"\x00"])
def test_a_file_that_is_no_manifest_is_an_error_of_one_line(write, text: str | bytes) -> None:
    path = write(text)
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere\.yaml: no such manifest"):
        load_manifest(str(tmp_path / "nowhere.yaml"))


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ManifestError, match=r"'flok'; known: .*floc"):
        load_manifest("flok")


# --- contrasts ---


def test_the_only_contrast_need_not_be_named(write) -> None:
    name, contrast = load_manifest(write(GOOD)).contrast(None)
    assert name == "faces"
    assert contrast.target == ("face",)


@pytest.mark.parametrize("name", [None, "", "cats"])
def test_a_contrast_that_is_not_offered_is_answered_with_those_that_are(name: str | None) -> None:
    with pytest.raises(ManifestError, match=r"`localizer` floc:(cats)?: .*\(faces, bodies, places"):
        load_manifest("floc").contrast(name)


@pytest.mark.parametrize(
    ("name", "culprit"),
    [
        ("faces:boat", "floc:faces:boat: boat cannot"),
        ("faces:adult", "floc:faces:adult: adult cannot"),
        ("faces:car,", "floc:faces:car,: nothing cannot"),
        ("cats:car", "floc:cats:car: name one of"),
    ],
)
def test_a_condition_that_cannot_be_the_control_is_answered_with_those_that_can(
    name: str, culprit: str
) -> None:
    with pytest.raises(ManifestError, match=f"`localizer` {culprit}") as caught:
        load_manifest("floc").contrast(name)
    assert ("scrambled" in str(caught.value)) == name.startswith("faces")


@pytest.mark.parametrize("source", ["", "files: a.jsonl, draw: phantom, n: 4, ", "draw: phantom, "])
def test_pairs_are_either_read_or_drawn(write, source: str) -> None:
    pairs = f"\npairs: {{{source}levels: {{field: field}}, target: a}}\n"
    with pytest.raises(ManifestError, match="either files, or draw and n"):
        load_manifest(write(GOOD + pairs))


def test_a_set_is_drawn_if_none_of_it_lies_in_files(write) -> None:
    assert load_manifest("phantom-lm").is_drawn
    assert not load_manifest("blimp").is_drawn
    assert not load_manifest("prose").is_drawn
    assert not load_manifest(write(GOOD)).is_drawn


def test_a_benchmark_without_contrasts_says_so() -> None:
    with pytest.raises(ManifestError, match=r"\(none\)"):
        load_manifest("tinyimagenet100").contrast(None)


# --- what makes groups alike ---


def test_boxes_lie_beside_their_manifest(write, tmp_path: Path) -> None:
    boxes = f"boxes: {{table: boxes/small.csv, sha256: {'a' * 64}}}"
    entry = load_manifest(write(GOOD.replace("other: car}", f"other: car, {boxes}}}"))).evaluation
    assert entry is not None
    assert entry.boxes is not None
    assert entry.boxes.table == tmp_path / "boxes" / "small.csv"


@pytest.mark.parametrize(
    ("within", "said"),
    [
        ("others: neither", "others, column and below go together"),
        ("column: conf, below: 1", "others, column and below go together"),
        ("at_least: 0", "greater than or equal to 1"),
    ],
)
def test_what_counts_within_classes_is_said_whole(write, within: str, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        load_manifest(write(GOOD.replace("other: car}", f"other: car, within: {{{within}}}}}")))
