"""What is measured and how: the only timer, the only definition of an error, the only cases."""

from os import PathLike
from pathlib import Path
from types import ModuleType


def load(folder: str | PathLike[str], name: str = "cases") -> ModuleType:
    """Return the cases that a folder holds, to be measured on the kdexent that is installed.

    Parameters
    ----------
    folder : str or path
        Such as ``kernels/measure`` in a checkout of any revision.
    name : {"cases", "classifier_cases"}
        Which of its files to load.

    Returns
    -------
    module
        With `VERSION` and `suite`: results of two revisions compare where they had cases of one version.
    """
    path = Path(folder, f"{name}.py")
    if not path.is_file():
        raise FileNotFoundError(f"there are no cases in {path}")
    # What is read is what runs: an import would leave its compiled form there, and take it for later edits.
    module = ModuleType(f"kdexent_{name}")
    module.__file__ = str(path)
    exec(compile(path.read_bytes(), path, "exec"), vars(module))
    return module
