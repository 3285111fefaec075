"""Lists of choices that settings and the command line share.

They stand apart from the models of the settings, because ``smrestore --help`` must not wait for
pydantic.
"""

from typing import Literal

Background = Literal["interpolate", "mean", "none"]
Choice = Literal["spread", "information", "random"]
Ensemble = Literal["phases", "flips"]
Evaluator = Literal["table", "quadrature"]
Fitted = Literal["model", "model-and-measurement"]
Leakage = Literal["ignore", "correct"]
State = Literal["fluid", "immobilized", "langevin"]
Weighting = Literal["none", "row-norm", "whitening"]
