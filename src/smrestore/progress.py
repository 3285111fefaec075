"""Progress of long work: a bar on terminals, nothing in logs."""

from functools import partial

from tqdm import tqdm

# With None, tqdm shows a bar only where stderr is a terminal.
progress_bar = partial(tqdm, disable=None, dynamic_ncols=True)
