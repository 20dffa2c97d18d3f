"""Report the rows of ``launch.py bench method --out FILE``: tables, learning curves, label noise.

Usage: python -m benchmarks.report_method FILE FOLDER

Prints a table for each question in Markdown and writes method-pairs.png and method-noise.png. A
Chromium draws them, the one that the browser tests drive.
"""

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright
from plotly.subplots import make_subplots

from app.doctor import find_chromium

Row = dict[str, object]

# Okabe and Ito's colours, told apart by the colour-blind; the dash is a second cue
STYLES = {
    "base": ("#999999", "dot"),
    "warm_start": ("#000000", "dash"),
    "sft": ("#0072B2", "solid"),
    "rm_ppo": ("#CC79A7", "dashdot"),
    "dpo": ("#E69F00", "solid"),
    "ipo": ("#56B4E9", "dash"),
    "gem": ("#009E73", "solid"),
}
FIGURES = (("preference_accuracy", "preference_ci"), ("final_answer_accuracy", "final_answer_ci"))
SOURCES = ("expert", "sampled")
HEADINGS = (
    "method",
    "preference accuracy",
    "less GEM",
    "final answers",
    "less GEM",
    "faultless answers",
    "learning rate",
    "kept moments",
    "tokens trained",
)


def main() -> None:
    """Print the tables and draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.file.read_text("utf-8").splitlines()]
    for question, its_rows in itertools.groupby(rows, key=_question):
        print(f"{question}\n\n{table(list(its_rows))}\n")
    clean = [row for row in rows if row["noise"] == 0]
    draw(figure(clean, "pairs", "labelled pairs"), options.folder / "method-pairs.png")
    most_noise = {row["pairs"] for row in rows if row["noise"] > 0}
    noisy = [row for row in rows if row["pairs"] in most_noise]
    if noisy:
        noise = figure(noisy, "noise", "share of labels turned round")
        draw(noise, options.folder / "method-noise.png")


def _question(row: Row) -> str:
    return f"{row['pairs_from']} pairs, {row['pairs']} of them, noise {row['noise']:g}"


def table(rows: Sequence[Row]) -> str:
    """Return a question's rows as a Markdown table; "less GEM" is the paired difference to GEM."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|" + "---|" * len(HEADINGS)]
    for row in rows:
        cells = [row["method"]]
        for name, interval in FIGURES:
            low, high = row[interval]
            cells += [f"{row[name]:.3f} ({low:.3f} to {high:.3f})", _less_gem(row, interval)]
        kept = ", ".join(map(str, row["best_rounds"]))
        rate = f"{row['learning_rate']:g}" if row["learning_rate"] else "-"
        cells += [f"{row['expert_agreement']:.3f}", rate, kept, f"{row['trained_tokens']:,}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _less_gem(row: Row, interval: str) -> str:
    difference = row.get(interval.replace("_ci", "_vs_gem"))
    if difference is None or row["method"] == "gem":
        return "-"
    value, low, high = difference
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def figure(rows: Sequence[Row], along: str, axis: str) -> go.Figure:
    """One panel a source of pairs and figure; a line a method, with its 95 % intervals."""
    words = [name.replace("_", " ") for name, _ in FIGURES]
    names = [f"{source} pairs: {word}" for word in words for source in SOURCES]
    panels = make_subplots(2, 2, subplot_titles=names, shared_xaxes=True, vertical_spacing=0.1)
    for line, (name, interval) in enumerate(FIGURES, 1):
        for column, source in enumerate(SOURCES, 1):
            for method in STYLES:
                trace = _trace([r for r in rows if r["pairs_from"] == source], method, along, name)
                if trace is not None:
                    trace.showlegend = (line, column) == (1, 1)
                    panels.add_trace(_with_bars(trace, method, interval), line, column)
    panels.update_xaxes(title_text=axis, row=2)
    if along == "pairs":
        panels.update_xaxes(type="log", tickvals=sorted({int(str(row["pairs"])) for row in rows}))
    panels.update_layout(template="plotly_white", width=1100, height=800, font_size=14)
    return panels


def _trace(rows: Sequence[Row], method: str, along: str, name: str) -> go.Scatter | None:
    found = sorted((row for row in rows if row["method"] == method), key=lambda row: row[along])
    if not found:
        return None
    colour, dash = STYLES[method]
    return go.Scatter(
        x=[row[along] for row in found],
        y=[row[name] for row in found],
        customdata=found,
        name=method,
        legendgroup=method,
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 3 if method == "gem" else 2},
    )


def _with_bars(trace: go.Scatter, method: str, interval: str) -> go.Scatter:
    """Give GEM's line its intervals; those of all lines at once could not be told apart."""
    if method == "gem":
        found = list(trace.customdata)
        above = [row[interval][1] - y for row, y in zip(found, trace.y, strict=True)]
        below = [y - row[interval][0] for row, y in zip(found, trace.y, strict=True)]
        trace.error_y = {"array": above, "arrayminus": below, "thickness": 1}
    trace.customdata = None
    return trace


def draw(picture: go.Figure, file: Path) -> None:
    """Let Chromium draw a figure into a PNG file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(find_chromium()), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1120, "height": 820})
        page.set_content(picture.to_html(include_plotlyjs=True))
        page.wait_for_selector(".main-svg")
        page.locator(".plotly-graph-div").screenshot(path=str(file))
        browser.close()


if __name__ == "__main__":
    main()
