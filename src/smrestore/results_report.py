"""The report of a run: which results it shows, in which order."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from smrestore import mdf
from smrestore.report import (
    Picture,
    Section,
    Table,
    read_caption,
    read_run_times,
    read_table,
    write_report,
)

TITLE = "Restoration of system matrices"


def describe_scans(
    scans: Sequence[str | Path], settings: Mapping[str, Mapping[str, object]] | None = None
) -> pd.DataFrame:
    """Return a row per scan: what it is and where it comes from.

    ``settings`` are the entries of scans in the configuration, by name.
    """
    records = []
    for path in scans:
        with mdf.open_mdf(path) as file:
            acquisition, calibration = file.acquisition, file.calibration
            background = int(file.is_background.sum())
        grid = "" if calibration is None else " × ".join(map(str, calibration.size))
        records.append(
            {
                "scan": Path(path).stem,
                "file": _origin(Path(path), (settings or {}).get(Path(path).stem, {})),
                "grid": grid,
                "frames": acquisition.n_frames,
                "background frames": background,
                "averages": acquisition.n_averages,
                "started": acquisition.start_time,
            }
        )
    return pd.DataFrame(records)


def _origin(path: Path, settings: Mapping[str, object]) -> str:
    """Return where a scan comes from; slices are files of their own, other files are links."""
    if path.is_symlink():
        return str(path.resolve())
    if "slice" not in settings:
        return "virtual scanner"
    place = ("path",) if settings["source"] == "file" else ("store", "file")
    names = ", ".join(str(settings[key]) for key in place)
    return f"{names}, slice {settings['slice']}"


def report_results(
    path: str | Path,
    *,
    tables: Sequence[str | Path],
    figures: Sequence[str | Path],
    curves: Sequence[str | Path],
    scans: Sequence[str | Path],
    captions: Sequence[str | Path],
    config: Mapping[str, object],
    labels: Mapping[str, str],
    benchmarks: str | Path,
) -> None:
    """Write the page with all tables and figures of a run.

    Parameters
    ----------
    path
        HTML file.
    tables, figures, curves, scans
        Markdown, PNG, PNG (in the folder of their experiment) and MDF files.
    captions
        Texts by file name: ``workflow``, and one for each kind of table and figure.
    config
        The whole configuration, which is shown.
    labels
        Names of methods for readers.
    benchmarks
        Folder with the benchmark files of Snakemake.
    """
    texts = {Path(caption).stem: caption for caption in captions}

    def caption(name: str, **wildcards: str) -> str:
        kind = name.split("-")[0]
        return read_caption(texts[kind], config=config, wildcards=wildcards)

    def table(source: str | Path) -> Table:
        name = Path(source).stem
        kind, _, measurement = name.partition("-")
        if kind == "twins":
            return Table("Twin frequencies", read_table(source), caption(name))
        if kind == "transfer":
            measurement = measurement.replace(".classes", ", by class")
            return Table(
                f"Transfer to the scan {measurement}",
                read_table(source),
                caption(name, measurement=measurement),
            )
        return Table(kind.replace("table", "Table "), read_table(source), caption(name))

    def picture(source: str | Path, title: str, text: str) -> Picture:
        return Picture(title, source, Path(source).with_suffix(".pdf"), text)

    experiments = {source: Path(source).parent.name for source in curves}
    sections = [
        Section("Tables", tables=[table(source) for source in tables]),
        Section(
            "Figures",
            pictures=[
                picture(
                    source,
                    Path(source).stem.replace("figure", "Figure "),
                    # The tables of transfer have a caption of their own.
                    caption(Path(source).stem.replace("transfer", "transfer_figure")),
                )
                for source in figures
            ],
        ),
        Section(
            "Training",
            pictures=[
                picture(
                    source,
                    labels[experiment],
                    caption("training_curve", experiment=labels[experiment]),
                )
                for source, experiment in experiments.items()
            ],
        ),
    ]
    write_report(
        path,
        title=TITLE,
        settings=config,
        sections=[Section("What this is", read_caption(texts["workflow"])), *sections],
        run_times=read_run_times(sorted(Path(benchmarks).rglob("*.jsonl"))),
        inputs=describe_scans(scans, config.get("scans")),
    )
