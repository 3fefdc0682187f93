"""How the tests call the command line: in this process, or as a program of its own."""

import json
import subprocess
import sys

from typer.testing import CliRunner

from famous import cli
from famous.errors import FamousError


def call(*arguments, code=0):
    """Run a command in this process; a problem with the input counts as exit code 1, as `main` makes it."""
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if isinstance(result.exception, FamousError):
        assert code == 1, result.exception
        return result
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def call_json(*arguments, code=0):
    """Run a command with --json: stdout must hold one JSON document and nothing else."""
    return json.loads(call(*arguments, "--json", code=code).stdout)


def famous(*arguments, **options):
    """Run `python -m famous` as a user's shell does."""
    return subprocess.run(
        [sys.executable, "-m", "famous", *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )
