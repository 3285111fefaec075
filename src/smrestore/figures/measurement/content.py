"""What a figure of a measurement shows, free of files."""

from dataclasses import dataclass

from smrestore.figures.panels import Panel
from smrestore.support.errors import InputError


@dataclass(frozen=True, eq=False)
class ComponentRow:
    """One plane of one component in all columns.

    Attributes
    ----------
    title
        Which component and which plane.
    panels
        Complex, one per column, None where there is none.
    peak
        Magnitude of full brightness.
    factor
        Turns the phases, the same for all columns; of magnitude 1.
    scores
        PSNR of the component in dB for each column, NaN where nobody knows it; of all its voxels,
        not only of this plane.
    missing
        Which voxels of the plane are missing, a bool panel, or None.
    """

    title: str
    panels: tuple[Panel | None, ...]
    peak: float
    factor: complex
    scores: tuple[float, ...]
    missing: Panel | None = None


@dataclass(frozen=True, eq=False)
class ImageRow:
    """One plane of the reconstructed images.

    Attributes
    ----------
    title
        Which plane.
    panels
        Real, one per column, None where there is none.
    phantom
        The same plane of the true concentration, or None.
    """

    title: str
    panels: tuple[Panel | None, ...]
    phantom: Panel | None = None


@dataclass(frozen=True, eq=False)
class MeasurementFigure:
    """A figure of a measurement.

    Attributes
    ----------
    columns
        Titles.
    components
        Rows of components.
    images
        Rows of reconstructed images; may be empty.
    image_scores
        PSNR in dB and SSIM of each column's image, of all voxels; NaN where nobody knows them.
    image_peak
        Top of the color range of the images.
    masked_column
        Column in which missing voxels are hatched; in the others they are outlined. None outlines
        them everywhere.
    """

    columns: tuple[str, ...]
    components: tuple[ComponentRow, ...]
    images: tuple[ImageRow, ...]
    image_scores: tuple[tuple[float, float], ...]
    image_peak: float
    masked_column: int | None = None

    def __post_init__(self) -> None:
        counts = {len(row.panels) for row in (*self.components, *self.images)}
        counts |= {len(row.scores) for row in self.components} | {len(self.image_scores)}
        if not self.components or counts != {len(self.columns)}:
            raise InputError(
                f"{len(self.components)} components and rows of {sorted(counts)} panels for "
                f"{len(self.columns)} columns",
                field="columns",
                remedy="give one panel or None per column, and at least one component",
            )
        if any(all(p is None for p in row.panels) for row in (*self.components, *self.images)):
            raise InputError(
                "a row has no panel", field="rows", remedy="give at least the measurement"
            )

    @property
    def has_phantom(self) -> bool:
        """Whether the true concentration is shown."""
        return any(row.phantom is not None for row in self.images)
