"""The flags of a measurement: the form of its data, and what was done to them."""

from dataclasses import dataclass

from smrestore.mdf.layout import Fields


@dataclass(frozen=True)
class Flags:
    """The ``is...`` flags of the ``/measurement`` group (MDF 2.1 specification)."""

    fourier_transformed: bool
    fast_frame_axis: bool
    frame_permutation: bool
    frequency_selection: bool
    background_corrected: bool
    spectral_leakage_corrected: bool
    transfer_function_corrected: bool
    sparsity_transformed: bool

    @classmethod
    def from_fields(cls, fields: Fields) -> "Flags":
        """Read the flags; all but the first count as 0 where older writers left them out."""

        def flag(name: str) -> bool:
            return fields.flag(f"/measurement/{name}", False)

        return cls(
            fourier_transformed=fields.flag("/measurement/isFourierTransformed"),
            fast_frame_axis=flag("isFastFrameAxis"),
            frame_permutation=flag("isFramePermutation"),
            frequency_selection=flag("isFrequencySelection"),
            background_corrected=flag("isBackgroundCorrected"),
            spectral_leakage_corrected=flag("isSpectralLeakageCorrected"),
            transfer_function_corrected=flag("isTransferFunctionCorrected"),
            sparsity_transformed=flag("isSparsityTransformed"),
        )
