"""How Sphinx makes a site of the pages: make docs."""

import tomllib
from pathlib import Path

import numba  # noqa: F401, looks which SciPy there is, and would find the mocked one
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project, release = PROJECT["name"], PROJECT["version"]
author = copyright = "the authors of kdexent"

# Pages stay where a forge shows them, and link to each other and to files beside them as they do there.
include_patterns = [
    "docs/**",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "tests/README.md",
    "kernels/data/README.md",
]
exclude_patterns = ["docs/_build", "docs/site", ".*"]
root_doc = "docs/index"

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # the API's pages have no text

# Signatures say what is there, docstrings what it is.
autodoc_mock_imports = ["dask", "jax", "scipy", "sklearn", "torch"]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = False
default_role = "autolink"
numpydoc_show_class_members = False

html_theme = "furo"
html_title = "kdexent"
html_copy_source = False
html_show_copyright = False
html_extra_path = ["site"]  # what leads from / to the first page
html_math_renderer = "mathml"
pygments_style, pygments_dark_style = "friendly", "github-dark"
highlight_language = "none"


class DarkTwins(SphinxTransform):
    """Show of each figure the light or the dark one, as the page is."""

    default_priority = 200

    def apply(self, **_):
        for image in list(self.document.findall(nodes.image)):
            name, dot, kind = image["uri"].rpartition(".")
            if kind != "svg":
                continue
            dark = image.deepcopy()
            dark["uri"] = f"{name}-dark{dot}{kind}"
            image["classes"].append("only-light")
            dark["classes"].append("only-dark")
            image.parent.insert(image.parent.index(image) + 1, dark)


def write_inline(writer, node):
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def write_block(writer, node):
    writer.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    # Browsers show MathML without a script, which would have to come from somewhere.
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    app.add_transform(DarkTwins)
