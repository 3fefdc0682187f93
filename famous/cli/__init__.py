"""The command line: parse, call the pipeline, report. Each group of commands has a file; `GROUPS` lists them."""

import signal
import sys
from typing import Annotated

import typer

from famous import __version__
from famous.cli import annotate, boxes, compare, referee, run, stages, view
from famous.cli.console import err, out
from famous.errors import FamousError
from famous.scratch import sweep_scratch

#: Modules with a function `register(app)`, in the order of the help.
GROUPS = (run, stages, referee, view, compare, annotate, boxes)

app = typer.Typer(
    help="From a volume-EM stack and about 20 box-labelled slices to measured, watertight organelle meshes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in GROUPS:
    group.register(app)


class _StoppedError(FamousError):
    """The user pressed Ctrl-C."""


def _stop(_signal: int, _frame: object) -> None:
    raise _StoppedError("stopped; the same command does what is left")


def main() -> None:
    """Run the command line; a problem with the input ends with one message and exit code 1."""
    signal.signal(signal.SIGINT, _stop)
    sweep_scratch()  # what killed processes left
    try:
        app(prog_name="famous")
    except _StoppedError as stopped:
        err.print(f"\n{stopped}")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except (FamousError, OSError, MemoryError) as error:
        err.print("[bold red]error[/]: ", end="")
        err.print(str(error) or type(error).__name__, markup=False)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        out.print(__version__)
        raise typer.Exit
