"""The report of a run: which results it shows, in which order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from smrestore.configuration import ConfigurationError, load_configuration
from smrestore.report.headlines import headlines
from smrestore.report.inputs import (
    describe_datasets,
    describe_networks,
    describe_pools,
    describe_scans,
    describe_software,
)
from smrestore.report.markdown import read_markdown
from smrestore.report.page import (
    Opening,
    Picture,
    Section,
    Table,
    read_caption,
    read_run_times,
    write_report,
)
from smrestore.report.scale import scale_differences

TITLE = "Restoration of system matrices"
MEASUREMENT_FIGURES = (3, 4, 5, 6)
"""Figures that show components and images of scans."""

SCALE = "scale of this run"
"""Column of the verdicts on claims."""

Captions = Callable[..., str]


def report_results(
    path: str | Path,
    *,
    tables: Sequence[str | Path],
    figures: Sequence[str | Path],
    curves: Sequence[str | Path],
    noise: Sequence[str | Path],
    scans: Sequence[str | Path],
    cards: Sequence[str | Path],
    captions: Sequence[str | Path],
    config: Mapping[str, object],
    datasets: Mapping[str, Mapping[str, object]],
    study: Sequence[str | Path],
    labels: Mapping[str, str],
    results: str | Path,
) -> None:
    """Write the page with all tables and figures of a run.

    Parameters
    ----------
    path
        HTML file.
    tables, figures, curves, noise, scans, cards
        Markdown, PNG, PNG (in the folder of their experiment), PNG, MDF and JSON files. Tables are
        told apart by their names: ``table{number}``, ``claims``, ``calibration-time``,
        ``positions-{study}``, others.
    captions
        Texts by file name: ``workflow``, ``table``, and one for each kind of other table and
        figure. A figure that shares its name with a table has ``{name}_figure``.
    config
        The complete configuration, which is shown.
    datasets
        Its entries of datasets with all their settings.
    study
        Configuration files that together have the scale of the study; what differs is listed.
    labels
        Names of methods for readers.
    results
        Folder with ``benchmarks``, ``system_matrices`` and ``noise``.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    results = Path(results)
    caption = _captions(captions, config)
    named = {Path(table).stem: table for table in tables}
    claims = [named.pop(name) for name in ("claims",) if name in named]
    times = [named.pop(name) for name in ("calibration-time",) if name in named]
    positions = [named.pop(name) for name in list(named) if name.startswith("positions-")]
    numbered = [named[name] for name in named if name.startswith("table")]
    others = [named[name] for name in named if not name.startswith("table")]
    pools = [
        p for p in (results / "noise" / f"{n}.h5" for n in config["noise_pools"]) if p.exists()
    ]
    sections = [
        Section("Claims of the study", tables=[claims_table(table) for table in claims]),
        Section("Tables", caption("table"), [_page_of(table) for table in numbered]),
        Section("Time of calibrations", tables=[_page_of(table, "Scans") for table in times]),
        Section("Transfer", tables=[_other_table(table, caption) for table in others]),
        Section("Positions", tables=[_other_table(table, caption) for table in positions]),
        Section("Figures", pictures=[_figure(figure, caption) for figure in figures]),
        Section("Noise", pictures=[_noise_picture(source, caption) for source in noise]),
        Section("Training", pictures=[_curve(curve, labels, caption) for curve in curves]),
        _scale_section(config, study),
        Section(
            "Inputs",
            f"All random numbers derive from the seed {config['seed']}.",
            [
                Table("Scans", describe_scans(scans, config.get("scans"))),
                Table(
                    "Simulated system matrices",
                    describe_datasets(datasets, results / "system_matrices"),
                ),
                Table("Noise pools", describe_pools(pools)),
                Table("Networks", describe_networks(cards, labels)),
                Table("Software", describe_software()),
            ],
            folded="Scans, simulated system matrices, noise pools, networks and software",
        ),
    ]
    write_report(
        path,
        title=TITLE,
        settings=config,
        sections=[s for s in sections if s.text or s.tables or s.pictures],
        opening=Opening(
            caption("workflow"),
            _opening_picture(figures),
            headlines(tables, labels, list(config["baselines"])),
        ),
        run_times=read_run_times(sorted((results / "benchmarks").rglob("*.jsonl"))),
    )


def _captions(paths: Sequence[str | Path], config: Mapping[str, object]) -> Captions:
    """Return a function that gives the caption of a kind with wildcards filled in."""
    texts = {Path(path).stem: path for path in paths}

    def caption(*kinds: str, **wildcards: str) -> str:
        """Return the first of the captions that exists."""
        kind = next((kind for kind in kinds if kind in texts), kinds[0])
        return read_caption(texts.get(kind, f"{kind}.rst"), config=config, wildcards=wildcards)

    return caption


def _page_of(source: str | Path, title: str | None = None) -> Table:
    """Return a Markdown page of tables as one table; by default under its own heading."""
    page = read_markdown(source)
    others = [Path(source).with_suffix(suffix) for suffix in (".csv", ".tex")]
    files = [path for path in others if path.exists()]
    if title is None:
        return Table(page.before, page.tables, notes=page.after, files=files)
    return Table(title, page.tables, page.before, page.after, files)


def claims_table(source: str | Path) -> Table:
    """Return the page of claims with the scale once, below the verdicts, not in every row."""
    table = _page_of(source, "Verdicts")
    (title, verdicts), *others = table.parts
    if SCALE not in verdicts:
        return table
    parts = dict.fromkeys(part for text in verdicts[SCALE] for part in text.split("; ") if part)
    scale = f"Scale of this run: {'; '.join(parts)}."
    rows = [(title, verdicts.drop(columns=SCALE)), *others]
    return replace(table, rows=rows, notes=f"{scale}\n\n{table.notes}")


def _opening_picture(figures: Sequence[str | Path]) -> Picture | None:
    """Return the first figure of restored components and images, if there is one."""
    for number in MEASUREMENT_FIGURES:
        for figure in figures:
            if Path(figure).stem == f"figure{number}":
                title = f"Restored components and images, figure {number}"
                text = (
                    "Components of a calibration scan as measured and as restored, and the phantom "
                    f"reconstructed with them: figure {number}, explained below."
                )
                return Picture(title, figure, None, text)
    return None


def _other_table(source: str | Path, caption: Captions) -> Table:
    """Return a table of ``{kind}-{measurement}.{part}.md``, whose caption is that of its kind."""
    name, _, part = Path(source).stem.partition(".")
    kind, _, measurement = name.partition("-")
    titles = {"transfer": "Transfer to the scan", "positions": "How few positions are enough,"}
    title = f"{titles[kind]} {measurement}" if kind in titles else kind.capitalize()
    text = caption(f"{kind}_{part}", kind, measurement=measurement, study=measurement)
    page = read_markdown(source)
    files = [path for path in [Path(source).with_name(f"{name}.csv")] if path.exists()]
    return Table(f"{title}, {part}" if part else title, page.tables, text, page.after, files)


def _figure(source: str | Path, caption: Captions) -> Picture:
    name = Path(source).stem
    title = name.replace("figure", "Figure ").replace("-", ", ").capitalize()
    return _picture(
        source,
        title,
        caption(f"{name}_figure", name, f"{name.split('-')[0]}_figure", name.split("-")[0]),
    )


def _noise_picture(source: str | Path, caption: Captions) -> Picture:
    pool = Path(source).stem
    return _picture(source, f"Noise pool {pool}", caption("noise_pool", pool=pool))


def _curve(source: str | Path, labels: Mapping[str, str], caption: Captions) -> Picture:
    name = labels[Path(source).parent.name]
    return _picture(source, name, caption("training_curve", experiment=name))


def _picture(source: str | Path, title: str, text: str) -> Picture:
    return Picture(title, source, Path(source).with_suffix(".pdf"), text)


def _scale_section(config: Mapping[str, object], study: Sequence[str | Path]) -> Section:
    """Return what the run reduces, or otherwise changes, against the scale of the study."""
    title = "Scale of this run"
    names = " with ".join(Path(path).name for path in study)
    try:
        theirs = load_configuration(study)
    except ConfigurationError as error:
        return Section(title, f"Not compared, since {names} has faults: {error.faults[0]}.")
    table = scale_differences(config, theirs)
    if table.empty:
        return Section(title, f"Every setting is that of the scale of the study ({names}).")
    text = (
        f"Settings that differ from the scale of the study, as {names} have it. The study does not "
        "state all of them; docs/configuration-reference.md says which. All else is the same."
    )
    heading = f"{len(table)} settings differ"
    return Section(title, text, [Table(heading, table)], folded=f"{heading} from the study")
