"""The commands of ``smrestore``, one module each.

A module adds its command with its arguments, and says what runs. Libraries are imported when a
command runs, because some take seconds, and ``--help`` must not.
"""

from smrestore.commands import (
    check,
    inspect,
    models,
    plot,
    propose_mask,
    reconstruct,
    restore,
    simulate,
)

COMMANDS = (simulate, plot, inspect, propose_mask, restore, reconstruct, models, check)
"""In the order of the help."""
