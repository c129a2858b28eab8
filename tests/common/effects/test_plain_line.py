"""The finding in words: the plain line, and the sentence with intervals."""

from common.effects.finding import amount, finding, plainly
from common.effects.judge import judge
from tests.common.effects.judged import Experiment, found


def test_the_plain_line_sets_controls_beside_what_they_stand_for() -> None:
    run = Experiment().add("t", "top", 1, 0.3, 0.6)
    run.add("m", "matched-part", 1, 0.1).add("u", "unmatched-part", 1, 0.2, 0.6).controls()
    judged = judge(run.table(), "face", "object")
    part, verdict = judged.matched_part, judged.verdict
    assert part is not None
    alone, loud = part.groups["face"], verdict.comparisons[-1]
    assert alone.ablated is not None
    assert loud.against == "matched-part"
    rights = [round(100 * rate) for rate in (alone.ablated.accuracy, loud.accuracy["face"])]
    assert plainly(judged).endswith(
        f"Without only the units that have equally loud partners: face {rights[0]} %. "
        f"Without these partners instead: face {rights[1]} %."
    )
    groups = {"face": verdict.groups["face"].model_copy(update={"ablated": None, "intact": None})}
    of_text = loud.model_copy(update={"accuracy": {}})
    told = verdict.model_copy(update={"groups": groups, "comparisons": (of_text,)})
    losses = [amount(loss) for loss in (alone.loss.effect, loud.loss["face"])]
    assert plainly(judged.model_copy(update={"doses": (told,)})).endswith(
        f"partners: face {losses[0]}. Without these partners instead: face {losses[1]}."
    )


def test_words_say_what_the_numbers_say() -> None:
    run = Experiment().add("t", "top", 1, 0.3, 0.9).controls(draws=19)
    judged = judge(run.table(), "face", "object")
    line, text = plainly(judged), finding(judged)
    assert line.startswith("Face: ")
    assert "Without as many equally loud units instead: face " in line
    assert "19 layer-matched draws and 19 magnitude-matched draws" in text
    assert "p = 0.050 is the least that 19 draws allow" in text
    assert "would have been found" not in text
    null = found()
    assert "No evidence that these units serve face more than object" in finding(null)
    assert "would have been found in 80 % of such runs" in finding(null)
    same = null.verdict.model_copy(update={"groups": judged.verdict.groups})
    unchanged = null.model_copy(update={"doses": (same,)})
    assert "% right" in plainly(unchanged)


def test_evidence_that_no_count_shows_is_told_by_margins() -> None:
    run = Experiment().add("t", "top", 1, 0.3, 0.9).controls(draws=19)
    judged = judge(run.table(), "face", "object")
    verdict = judged.verdict
    face, other = verdict.groups["face"], verdict.groups["object"]
    as_many = face.model_copy(update={"ablated": face.intact})
    groups = {"face": as_many, "object": other}
    same = verdict.model_copy(update={"groups": groups})
    line = plainly(judged.model_copy(update={"doses": (same,)}))
    assert same.outcome == "evidence"
    assert face.intact is not None
    right = round(100 * face.intact.accuracy)
    assert line.startswith(f"Face: {right} % right as before, {amount(face.loss.effect)} margin ")
    assert f"{amount(other.loss.effect)} margin lost. Without as many" in line
    loud = next(each for each in same.comparisons if each.rule == "magnitude-matched")
    assert line.endswith(f"equally loud units instead: face {amount(loud.loss['face'])}.")
    nothing = same.model_copy(update={"outcome": "no evidence"})
    assert "Face: unchanged." in plainly(judged.model_copy(update={"doses": (nothing,)}))
