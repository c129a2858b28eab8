"""Somebody's own folders and tables, and ILSVRC in its usual layouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from common.base.errors import DataError
from common.effects.localized import Area, AreaShare
from common.study.settings import read_controls
from vision_loc import phantom
from vision_loc.experiment import Settings, run
from vision_loc.phantom import PLANTED
from vision_loc.stimuli import benchmark, localizer_of_folders, own
from vision_loc.stimuli.files import files_in, picture_names
from vision_loc.stimuli.groups import choose_groups

TENCH, GOLDFISH, TISSUE = "n01440764", "n01443537", "n15075141"
BOX = {"x0": 1.0, "y0": 1.0, "x1": 5.0, "y1": 6.0}


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)
    return path


def folder_of(root: Path, *files: str) -> Path:
    for file in files:
        picture(root / file)
    return root


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def labels(root: Path) -> dict[str, int]:
    return {p.name: p.label for p in benchmark(str(root)).pictures}


def complaint(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        benchmark(str(path), **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- class folders ---


def test_folders_named_by_class_index(tmp_path: Path) -> None:
    folder_of(tmp_path, "0/a.png", "7/b.png", "12/c.png")
    write(tmp_path / "groups.csv", "file,group", "0/a.png,face", "7/b.png,thing", "12/c.png,thing")
    found = benchmark(str(tmp_path))
    assert (found.target, found.other) == ("face", "thing")
    assert [(p.name, p.condition, p.label) for p in found.pictures] == [
        ("0/a.png", "face", 0),
        ("12/c.png", "thing", 12),
        ("7/b.png", "thing", 7),
    ]


def test_folders_named_by_wnid_follow_imagenet(tmp_path: Path) -> None:
    folder_of(tmp_path, f"{TENCH}/a.JPEG", f"{TISSUE}/b.JPEG")
    write(tmp_path / "groups.csv", "folder,group", f"{TENCH},fish", f"{TISSUE},paper")
    assert labels(tmp_path) == {f"{TENCH}/a.JPEG": 0, f"{TISSUE}/b.JPEG": 999}
    found = benchmark(str(tmp_path))
    assert found.wnids == {0: TENCH, 999: TISSUE}
    assert found.class_name(0).startswith("tench")
    assert (found.target, found.other) == ("fish", "paper")


def test_other_folder_names_need_a_table(tmp_path: Path) -> None:
    folder_of(tmp_path, "cats/a.png", "dogs/b.png")
    write(tmp_path / "groups.csv", "folder,group", "cats,a", "dogs,b")
    assert "'cats' is neither a class index nor a WordNet id" in complaint(tmp_path)


def test_wordnet_ids_that_imagenet_lacks_have_numbers_of_their_own(tmp_path: Path) -> None:
    folder_of(tmp_path, f"{TENCH}/b.png", "n00000001/a.png")
    write(tmp_path / "groups.csv", "folder,group", "n00000001,a", f"{TENCH},b")
    found = benchmark(str(tmp_path))
    assert found.wnids == {0: "n00000001", 1: TENCH}
    assert (found.numbered, benchmark("phantom").numbered) == ("wnid", "model")


def test_numbers_and_wordnet_ids_are_not_mixed(tmp_path: Path) -> None:
    folder_of(tmp_path, f"{TENCH}/b.png", "7/a.png")
    write(tmp_path / "groups.csv", "folder,group", f"{TENCH},a", "7,b")
    assert "some classes are told by WordNet ids like n01440764" in complaint(tmp_path)


@pytest.mark.parametrize("column", ["wnid", "class_name"])
def test_a_class_is_one_thing(column: str, tmp_path: Path) -> None:
    folder_of(tmp_path, "a.png", "b.png")
    rows = [f"file,class_index,group,{column}", f"a.png,1,x,{TENCH}", f"b.png,1,y,{GOLDFISH}"]
    write(tmp_path / "labels.csv", *rows)
    said = f"class 1 is both {TENCH} and {GOLDFISH} in column '{column}'"
    assert said in complaint(tmp_path)


def test_caffes_list_is_of_imagenets_classes(tmp_path: Path) -> None:
    folder_of(tmp_path, "a.png", "b.png")
    write(tmp_path / "groups.csv", "file,group", "a.png,x", "b.png,y")
    write(tmp_path / "val.txt", "a.png 999", "b.png 0")
    assert benchmark(str(tmp_path)).wnids == {999: TISSUE, 0: TENCH}
    write(tmp_path / "val.txt", "a.png 1000", "b.png 0")
    assert "'1000' is none of ImageNet's 1,000 classes, from 0 on" in complaint(tmp_path)


def test_without_groups(tmp_path: Path) -> None:
    folder_of(tmp_path, "0/a.png", "1/b.png")
    message = complaint(tmp_path)
    assert "groups.csv" in message
    assert f"vision-loc data tag-faces {tmp_path}" in message


def test_groups_of_other_pictures(tmp_path: Path) -> None:
    folder_of(tmp_path, "0/a.png", "1/b.png")
    write(tmp_path / "groups.csv", "file,group", "x.png,a", "y.png,b")
    assert "names none of the pictures" in complaint(tmp_path)
    write(tmp_path / "groups.csv", "name,group", "x.png,a")
    assert "neither a column 'file' nor 'folder'" in complaint(tmp_path)


# --- tables ---


def test_table_with_other_columns(tmp_path: Path) -> None:
    folder_of(tmp_path, "a.png", "b.png", "c.png")
    header = "file,class_index,group,class_name,remark"
    rows = ("a.png,3,place,kitchen,x", "b.png,1,control,cup,", "c.png,1,ambiguous,cup,")
    table = write(tmp_path / "mine.csv", header, *rows)
    found = benchmark(str(table))
    assert (found.target, found.other) == ("place", "control")
    assert [(p.name, p.label) for p in found.pictures] == [("a.png", 3), ("b.png", 1)]
    assert found.classes == {3: "kitchen", 1: "cup"}
    table.rename(tmp_path / "labels.csv")
    assert [p.label for p in benchmark(str(tmp_path)).pictures] == [3, 1]


@pytest.mark.parametrize(
    ("groups", "chosen"),
    [
        (["face", "nonface", "ambiguous", ""], ("face", "nonface")),
        (["body", "face"], ("face", "body")),
        (["face", "target"], ("target", "face")),
        (["control", "place"], ("place", "control")),
        (["car", "house"], ("car", "house")),
        (["a", "a", "ambiguous", ""], ("a", None)),
    ],
)
def test_which_group_is_the_target(groups: list[str], chosen: tuple[str, str | None]) -> None:
    assert choose_groups(Path("x.csv"), groups) == chosen


@pytest.mark.parametrize("groups", [["a", "b", "c"], ["ambiguous", ""]])
def test_not_two_groups(groups: list[str]) -> None:
    with pytest.raises(DataError, match="where two are compared"):
        choose_groups(Path("x.csv"), groups)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["name,class_index,group", "a.png,1,x"], "no column 'file'"),
        (["file,class_index,group"], "has a header and no rows"),
        (["file,class_index,group", "a.png,one,x", "b.png,2,y"], "holds 'one' in row 2"),
        (["file,class_index,group", "a.png,1,x", "b.png,1.5,y"], "holds '1.5' in row 3"),
        (["file,class_index,group", "a.png,1,x,", "b.png,2,y,"], "row 2 has 4 cells"),
        (["file,class_index,group", "a.png,1,x", "b.png,2"], "row 3 has 2 cells"),
        (["file,class_index,group", "a.png,1,x", "b, c.png,2,y"], "row 3 has 4 cells"),
        (["file,class_index,group", "a.png,,x", "b.png,2,y"], "no class index"),
        (["file,class_index,group", "a.png,1,x", "a.png,1,y"], "a.png is in the table twice"),
        (["file,class_index,group", "a.png,1,x", ",2,y"], "'file' is empty in row 3"),
        (["file,group", "a.png,x", "b.png,y"], "nothing says which class a.png is"),
        (['"', "x"], "row 1 cannot be read"),
        ([""], "is empty"),
    ],
)
def test_broken_table(tmp_path: Path, lines: list[str], message: str) -> None:
    folder_of(tmp_path, "a.png", "b.png")
    assert message in complaint(write(tmp_path / "labels.csv", *lines))


def test_a_table_with_semicolons_is_read(tmp_path: Path) -> None:
    folder_of(tmp_path, "a, b.png", "c.png")
    write(tmp_path / "labels.csv", "file;class_index;group", "a, b.png;1;x", "c.png;2;y")
    assert labels(tmp_path) == {"a, b.png": 1, "c.png": 2}
    (tmp_path / "labels.csv").rename(tmp_path / "mine.tsv")
    write(tmp_path / "mine.tsv", "file\tclass_index\tgroup", "a, b.png\t3\tx", "c.png\t4\ty")
    assert labels(tmp_path / "mine.tsv") == {"a, b.png": 3, "c.png": 4}


def test_missing_files_are_counted(tmp_path: Path) -> None:
    rows = [f"{i}.png,{i},{'ab'[i % 2]}" for i in range(6)]
    table = write(tmp_path / "labels.csv", "file,class_index,group", *rows)
    picture(tmp_path / "0.png")
    message = complaint(table)
    assert "5 of 6 files are missing, the first: 1.png, 2.png, 3.png" in message


def test_no_such_folder_or_table(tmp_path: Path) -> None:
    assert "no such folder" in complaint(tmp_path / "none")
    assert "no such file" in complaint(tmp_path / "none.csv")
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in complaint(tmp_path / "empty")


def test_a_manifest_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phantom").mkdir()
    assert not own.is_own("phantom")
    assert not own.is_own("some/where.yaml")
    assert own.is_own("some/where")


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    folder_of(tmp_path, "a.png", "sub/b.GIF")
    (tmp_path / "._a.png").write_bytes(b"resource fork")
    assert [path.name for path in files_in(tmp_path)] == ["a.png", "b.GIF"]


# --- ILSVRC ---


def val(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def annotate(folder: Path, *entries: tuple[str, list[dict[str, float]]]) -> None:
    listed = [{"url": url, "bboxes": boxes} for url, boxes in entries]
    (folder / "face_annotations_ILSVRC.json").write_text(json.dumps(listed))


@pytest.fixture(params=["flat, Kaggle", "flat, Caffe", "class folders", "train and val"])
def ilsvrc(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    root = tmp_path / "imagenet"
    wnids = {1: TENCH, 2: TISSUE, 3: GOLDFISH}
    if request.param.startswith("flat"):
        folder_of(root, *map(val, wnids))
        if request.param.endswith("Kaggle"):
            rows = [f"{val(i)[:-5]},{wnid} 1 2 3 4 " for i, wnid in wnids.items()]
            write(root / "LOC_val_solution.csv", "ImageId,PredictionString", *rows)
        else:
            index = {TENCH: 0, GOLDFISH: 1, TISSUE: 999}
            write(root / "val.txt", *(f"{val(i)} {index[wnid]}" for i, wnid in wnids.items()))
    else:
        inner = "val/" if request.param == "train and val" else ""
        folder_of(root, *(f"{inner}{wnid}/{val(i)}" for i, wnid in wnids.items()))
        if inner:
            folder_of(root, f"train/{TENCH}/{TENCH}_1.JPEG")
    return root


def test_ilsvrc_with_published_annotations(ilsvrc: Path) -> None:
    no_area = {**BOX, "x1": BOX["x0"]}
    annotate(
        ilsvrc,
        (f"val/{val(2)}", [no_area, BOX]),
        (f"val/{val(3)}", [no_area]),
        (f"train/{TENCH}/{TENCH}_1.JPEG", [BOX]),
    )
    found = benchmark("imagenet", data_root=ilsvrc.parent)
    told = {Path(p.name).name: (p.label, p.condition) for p in found.pictures}
    assert told == {val(1): (0, "nonface"), val(2): (999, "face"), val(3): (1, "nonface")}
    assert "face_annotations_ILSVRC.json" in str(found.warning)
    assert labels(ilsvrc) == {p.name: p.label for p in found.pictures}


def test_ilsvrc_with_a_table_of_groups(ilsvrc: Path) -> None:
    files = picture_names(ilsvrc)
    rows = [f"{file},{1 - i / 9},{'face' if i else 'nonface'}" for i, file in enumerate(files)]
    write(ilsvrc / "labels.csv", "file,face_conf,group", *rows)
    found = benchmark(str(ilsvrc))
    assert sorted(p.label for p in found.pictures) == [0, 1, 999]
    assert "detector" in str(found.warning)


@pytest.mark.parametrize("text", ['{"url": 1}', '[{"image": 1}]', '["x"]', "[1", '[{"url": 3}]'])
def test_annotations_of_another_structure(tmp_path: Path, text: str) -> None:
    folder_of(tmp_path, f"{TENCH}/{val(1)}")
    (tmp_path / "face_annotations_ILSVRC.json").write_text(text)
    assert "face_annotations_ILSVRC.json" in complaint(tmp_path)


def test_annotations_of_other_pictures(tmp_path: Path) -> None:
    folder_of(tmp_path, f"{TENCH}/{val(1)}")
    annotate(tmp_path, ("val/elsewhere.JPEG", [BOX]))
    assert "annotates none of the pictures" in complaint(tmp_path)


def test_the_development_kits_numbers_are_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, val(1), val(2))
    annotate(tmp_path, (f"val/{val(1)}", [BOX]))
    write(tmp_path / "ILSVRC2012_validation_ground_truth.txt", "490", "361")
    assert "LOC_val_solution.csv" in complaint(tmp_path)


def test_imagenet_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"imagenet: not found .*image-net\.org"):
        benchmark("imagenet", data_root=tmp_path)


# --- all of it ---


def draw_into(folder: Path, what: str, split: str, n: int) -> Path:
    folder.mkdir(parents=True)
    for i in range(n):
        phantom.draw_planted(what, i, split).save(folder / f"{i:02d}.png")
    return folder


def test_two_folders_from_pixels_to_verdict(tmp_path: Path) -> None:
    target = draw_into(tmp_path / "patterned", "target", "localizer", 20)
    control = draw_into(tmp_path / "plain", "control", "localizer", 20)
    for label, what in enumerate(phantom.CONDITIONS):
        draw_into(tmp_path / "eval" / str(label), what, "eval", 15)
    rows = [f"{label},{what}" for label, what in enumerate(phantom.CONDITIONS)]
    write(tmp_path / "eval" / "groups.csv", "folder,group", *rows)
    settings = Settings(
        "phantom/planted",
        target=target,
        control=control,
        evaluation=str(tmp_path / "eval"),
        top=(6.25,),
        controls=read_controls("random:2"),
        batch_size=16,
        device="cpu",
    )
    results, folder, was_done = run(settings, tmp_path / "run")
    assert not was_done
    assert results.localizer.name == "patterned-vs-plain"
    assert results.groups == ("target", "control")
    assert results.intact["target"].n == results.intact["control"].n == 15
    n_planted = sum(map(len, PLANTED.values()))
    assert results.area == Area(
        n_units=n_planted, percent=6.25, share={"6.25": AreaShare(of_top=1, of_area=1)}
    )
    top = results.ablations[0].groups
    assert (top["target"].accuracy, top["control"].accuracy) == (0, 1)
    assert (folder / "results.json").is_file()


def test_a_localizer_of_one_broken_picture_names_it(tmp_path: Path) -> None:
    target = draw_into(tmp_path / "a", "target", "localizer", 4)
    control = draw_into(tmp_path / "b", "control", "localizer", 4)
    (target / "03.png").write_text("no picture")
    settings = Settings(
        "phantom/planted", target=target, control=control, evaluation="phantom-planted"
    )
    with pytest.raises(DataError, match=r"03\.png"):
        run(settings, tmp_path / "run")
    assert len(localizer_of_folders(target, control).target) == 4
