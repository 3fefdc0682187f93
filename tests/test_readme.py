import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from famous import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = sorted(
    {line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines() if line.startswith("famous ")}
)


def test_a_command_stands_by_line_5():
    assert any(line.startswith("    make ") for line in README.splitlines()[:5])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_exists_with_its_options(command):
    words = command.split()[1:]
    depth = 2 if words[0] == "boxes" else 1
    output = CliRunner().invoke(cli.app, [*words[:depth], "--help"])
    assert output.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in output.output


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"make (\w+)", "\n".join(BLOCKS))):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_every_file_that_the_readme_shows_or_names_exists():
    named = re.findall(r"\]\((?!http)([^)]+)\)", README) + re.findall(r"`((?:configs|tools|data)/[\w./-]+)`", README)
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


def test_every_figure_has_its_script():
    for script in re.findall(r"python (tools/\w+\.py)", README):
        assert (ROOT / script).exists()


def test_the_python_example_uses_public_names():
    import famous

    code = next(block for block in BLOCKS if "from famous import" in block)
    for name in re.search(r"from famous import (.+)", code).group(1).split(", "):
        assert name in famous.__all__
    compile(code, "README.md", "exec")
