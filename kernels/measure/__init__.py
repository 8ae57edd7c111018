"""What is measured and how: the only timer, the only definition of an error, the only cases."""

from importlib.util import module_from_spec, spec_from_file_location
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
    spec = spec_from_file_location(f"kdexent_{name}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"there are no cases in {path}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
