"""The page of a folder of several maps, whichever verb made it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.base.called import called
from common.base.files import read_json, save_text
from common.effects.dissociation import Dissociation
from common.effects.site_kinds import ComparedSites
from common.report.page import rendered
from common.report.parts import Section, Table, part_of
from common.report.verdicts import Badge
from common.report.words import repeated


def make_several_report(
    folder: Path,
    found: Dissociation | ComparedSites,
    *,
    title: str,
    badge: Badge,
    plain: str,
    sentences: Sequence[str],
    facts: Sequence[tuple[str, str]],
    section: Section,
    tables: Sequence[Table],
    method: Sequence[str],
    references: Sequence[str],
) -> Path:
    """Write ``report.html``, and say where it is.

    Raises
    ------
    RunError
        If a part of the folder is gone.
    """
    run = read_json(part_of(folder, "run.json"))
    text = rendered(
        "several",
        title=title,
        run=run,
        called=called(folder),
        style=badge.style,
        mark=badge.mark,
        outcome=badge.word,
        plain=plain,
        sentences=sentences,
        warnings=found.warnings,
        facts=facts,
        section=section,
        tables=tables,
        method=method,
        references=references,
        model=found.model.fingerprint,
        **repeated(run),
    )
    path = folder / "report.html"
    save_text(path, text)
    return path


def references_of(rivals: str, one: str, every: str) -> tuple[str, ...]:
    """How several maps are compared, and by whom: against which rivals, and over what."""
    return (
        "Berger, R. L. (1982). Multiparameter hypothesis testing and acceptance sampling. "
        f"Technometrics, 24, 295–300. (The largest p against all {rivals} is a {one}’s p.)",
        "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scand. J. "
        "Stat., 6, 65–70.",
        "Westfall, P. H., & Young, S. S. (1993). Resampling-based multiple testing. Wiley. (The "
        f"maximum statistic over all {every}.)",
        "Bell, R. M., & McCaffrey, D. F. (2002). Bias reduction in standard errors for linear "
        "regression with multi-stage samples. Surv. Methodol., 28, 169–181.",
    )
