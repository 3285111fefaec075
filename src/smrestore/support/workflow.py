"""Glue between Snakemake and the library: logging, errors, identities of code."""

import ast
import contextlib
import functools
import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1]
INTERRUPTED = 75
"""Exit status of a job that was asked to stop and goes on when it is tried again (EX_TEMPFAIL)."""


@contextlib.contextmanager
def job(task: object, cores: int | None = None) -> Iterator[None]:
    """Run the body of a script: log to the rule's file and to stderr, fail with one clear line.

    ``task`` is the object ``snakemake`` of the script, or a log file. For the former, a record of
    how its outputs were made is written at the end, see :mod:`smrestore.support.records`.

    Loaded libraries use at most this many ``cores``. Without this limit, each job would take all of
    them, and jobs side by side would slow each other down.

    Errors that a user can act on end the job with their message alone; others keep their traceback
    in the log. The exit status is not zero in both cases, and :data:`INTERRUPTED` where work was
    interrupted by a signal that it listens to.
    """
    from smrestore.support.errors import InputError, InterruptionError
    from smrestore.support.presence import enter_job

    started = datetime.now(UTC)
    log = task
    if hasattr(task, "rule"):
        log, cores = task.log[0], cores_of(task)
    enter_job(Path(".snakemake").absolute())
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.FileHandler(log, mode="a"), logging.StreamHandler(sys.stderr)],
        force=True,
    )
    logging.getLogger("smrestore").setLevel(logging.INFO)
    logging.captureWarnings(True)
    if cores is not None:
        _use_cores(cores)
    try:
        yield
        if hasattr(task, "rule"):
            _record(task, started)
    except InputError as error:
        logging.getLogger(__name__).error("%s", error)
        sys.exit(1)
    except InterruptionError as interruption:
        logging.getLogger(__name__).warning("%s", interruption)
        sys.exit(INTERRUPTED)
    except Exception:
        logging.getLogger(__name__).exception("unexpected error")
        raise


def _record(task: object, started: datetime) -> None:
    from smrestore.support.records import write_records

    write_records(
        list(task.output),
        list(dict.fromkeys(task.input)),
        rule=task.rule,
        wildcards=dict(task.wildcards.items()),
        settings=dict(task.params.items()),
        started=started,
    )


def _use_cores(cores: int) -> None:
    from threadpoolctl import threadpool_limits

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(min(cores, os.cpu_count()))
    if "numba" in sys.modules:
        numba = sys.modules["numba"]
        numba.set_num_threads(min(cores, numba.config.NUMBA_NUM_THREADS))
    # After Numba, which starts its threads with the first call.
    threadpool_limits(cores)


def cores_of(smk: object) -> int:
    """Return how many cores a job may use.

    A cluster gives them by ``cpus_per_task``; ``threads`` are capped there at the cores of the
    computer that submits.
    """
    return int(smk.resources.get("cpus_per_task", smk.threads))


def seconds_of(runtime: object) -> float | None:
    """Return a time limit in s from the resource ``runtime`` in min, None if there is none."""
    return 60.0 * float(runtime) if isinstance(runtime, int | float) else None


def optional(paths: Sequence[str]) -> str | None:
    """Return the one file of an input that may be absent, None if it is."""
    return paths[0] if paths else None


class _Module(NamedTuple):
    """What is known of a file of code.

    Attributes
    ----------
    state
        Time of the last change in ns, and size: as long as they stay, so does the rest.
    identity
        Of what the module does, without comments and docstrings.
    imports
        What it imports of this package, as full names.
    """

    state: list[int]
    identity: str
    imports: list[str]


def _parse(path: Path, state: list[int]) -> _Module:
    tree = ast.parse(path.read_text())
    imports: set[str] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:]
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        imports.update(name for name in names if name.partition(".")[0] == PACKAGE.name)
    identity = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return _Module(state, identity, sorted(imports))


class _Modules:
    """Modules as they were parsed, kept in a file for the next process."""

    # What is parsed depends on the code of this module and on the version of Python.
    VERSION = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).hexdigest()

    def __init__(self, kept: Path | None) -> None:
        self.kept, self.known, self.is_changed = kept, {}, False
        # Whatever is wrong with the file, everything can be parsed again.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            content = json.loads(kept.read_text()) if kept else {}
            if content.get("version") == self.VERSION:
                self.known = {path: _Module(*rest) for path, rest in content["modules"].items()}

    def get(self, path: Path) -> _Module:
        """Return what is known of a file, parsed if it has changed."""
        status = path.stat()
        state = [status.st_mtime_ns, status.st_size]
        module = self.known.get(str(path))
        if module is None or module.state != state:
            module = self.known[str(path)] = _parse(path, state)
            self.is_changed = True
        return module

    def keep(self) -> None:
        """Write the file if there is something new. Without it, the next process parses again."""
        if not self.kept or not self.is_changed:
            return
        with contextlib.suppress(OSError):
            self.kept.parent.mkdir(parents=True, exist_ok=True)
            part = self.kept.with_name(f"{self.kept.name}.{os.getpid()}")
            part.write_text(json.dumps({"version": self.VERSION, "modules": self.known}))
            part.replace(self.kept)
            self.is_changed = False


_modules = functools.cache(_Modules)


@functools.cache
def _module_files(name: str) -> list[Path]:
    """Return the files of this package that importing ``name`` runs, with the packages above."""
    parts = name.split(".")
    places = [PACKAGE.joinpath(*parts[1:depth]) for depth in range(1, len(parts) + 1)]
    files = [path for p in places for path in (p / "__init__.py", p.with_suffix(".py"))]
    return [path for path in files if path.is_file()]


def code_id(script: str | Path, kept: Path | None = None) -> str:
    """Return an identity of a script and of all code of this package that it imports.

    It changes when this code changes, not with comments, docstrings, layout or unrelated modules.
    This module does not count: how jobs log and fail leaves their results as they are.
    Rules name it among their parameters, because Snakemake does not look into imported modules.

    ``kept`` is a file that keeps what is known of modules. Parsing all of them takes seconds, which
    every job on a cluster would spend otherwise.
    """
    modules = _modules(kept)
    pending, seen = [Path(script)], {}
    while pending:
        path = pending.pop()
        if path not in seen and path != Path(__file__):
            module = modules.get(path)
            seen[path] = module.identity
            # Looked up each time: a module may have become a package, or be gone.
            for name in module.imports:
                pending.extend(_module_files(name))
    modules.keep()
    text = "\n".join(seen[path] for path in sorted(seen))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
