"""Build what is published, and run README's examples with the wheel alone, on newest and lowest versions.

make wheel leaves wheel and source in dist/, and says what was tried.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path

from lowest import lowest

ROOT = Path(__file__).parents[1]
NO_FILES_OF = (".nbi", ".nbc", ".pyc")  # what runs left beside the sources


def build(into: Path) -> Path:
    """Return the wheel, built from the sources that it is published with."""
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(into), str(ROOT)], check=True, stdout=subprocess.PIPE
    )
    (wheel,) = into.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
    left = [name for name in names if name.endswith(NO_FILES_OF)]
    if left or "kdexent/py.typed" not in names:
        raise SystemExit(f"{wheel.name} has no py.typed, or has files that were compiled: {left}")
    return wheel


def run_examples(wheel: Path, requirements: list[str], folder: Path) -> str:
    """Run README's examples in a new environment, and return the versions in it."""
    venv.create(folder / "environment", with_pip=True)
    python = folder / "environment" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, str(wheel), *requirements], check=True)
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    versions = (
        "import kdexent, numba, numpy; print(kdexent.__version__, numba.__version__, numpy.__version__)"
    )
    for code in (*examples, versions):
        ran = subprocess.run(
            [str(python), "-c", code], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
        )
    return "kdexent {}, Numba {}, NumPy {}".format(*ran.stdout.split())


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {"build-system": {"requires": []}, "project": {**project, "optional-dependencies": {}}}
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(ROOT / "dist")
        for name, requirements in {"newest": [], "lowest": lowest(needed)}.items():
            print(
                f"{wheel.name} with the {name}:",
                run_examples(wheel, requirements, Path(folder) / name),
                flush=True,
            )


if __name__ == "__main__":
    main()
