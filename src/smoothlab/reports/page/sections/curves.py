"""What confidence is worth and how training went: reliability, risk and coverage, metrics over the epochs."""

from __future__ import annotations

from smoothlab.reports.page.charts.history import histories
from smoothlab.reports.page.charts.reliability import reliability_chart
from smoothlab.reports.page.charts.risk_coverage import risk_coverage
from smoothlab.reports.page.material import Material
from smoothlab.reports.page.section import PAGE, Figures, Paragraph, Section

HOW_TO_READ = (
    (
        "Accuracy over confidence on the test data, all runs of an arm together. A dot on the dashed line is a "
        "confidence that can be taken at its word; bars show how far it is off: ",
        "",
    ),
    ("striped orange, over-confident", "over"),
    (" (accuracy below confidence), ", ""),
    ("plain blue, under-confident", "under"),
    (
        ". Grey is where the dots of a calibrated model would fall 95% of the time; a bar that stays inside is pale, "
        "since it may be chance. Below are the samples in each bin.",
        "",
    ),
)


def reliability(material: Material) -> Section | None:
    """A reliability diagram of the baseline, the best smoothing and the best of all; the others are files."""
    diagrams = tuple(
        reliability_chart(f"reliability_{place:02d}", arm, seen)
        for place, (arm, seen) in enumerate(material.seen.items())
    )
    if not diagrams:
        return None
    in_sight = max(2, sum(arm in material.seen for arm in material.main))
    blocks = Paragraph(HOW_TO_READ, only=PAGE), Figures(diagrams, "grid", in_sight)
    return Section("reliability", "Reliability", "Reliability", blocks)


def risk_and_coverage(material: Material) -> Section | None:
    """The risk-coverage curves of all arms."""
    if not material.seen:
        return None
    title = "Risk and coverage"
    return Section("selective", title, title, (Figures((risk_coverage(material.seen),)),))


def epochs(material: Material) -> Section | None:
    """Metrics over the epochs, a line an arm."""
    charts = tuple(histories(material.epochs))
    if not charts:
        return None
    how = (
        "Mean over the runs of an arm; the shade goes from the lowest to the highest run. A line ends where the first "
        "of its runs stopped."
    )
    blocks = Paragraph(((how, ""),), only=PAGE), Figures(charts, "grid wide")
    return Section("epochs", "Over the epochs", "Training", blocks)
