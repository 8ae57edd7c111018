"""How Sphinx makes a site of the pages: make docs."""

import html
import tomllib
from pathlib import Path

import numba  # noqa: F401  # before SciPy is mocked, for which Numba looks when it is imported
from docutils import nodes
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser
from matplotlib.textpath import TextPath
from sphinx.transforms import SphinxTransform
from sphinx.util import inspect

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
    "SECURITY.md",
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
# Pages of others are not looked at; and `code` of a `Choice` is no module of Python.
nitpick_ignore_regex = [("py:obj", r"(jax|torch)\..*|code")]
autosummary_generate = False
default_role = "autolink"
numpydoc_show_class_members = False

html_theme = "furo"
html_title = "kdexent"
html_theme_options = {"light_css_variables": {"color-code-background": "#f4f5f7"}}
html_copy_source = False
smartquotes = False  # quotes are of code
html_show_copyright = False
html_static_path, html_css_files = ["look"], ["site.css"]
html_favicon = "look/icon.svg"
html_extra_path = ["site"]  # what leads from / to the first page
html_math_renderer = "outlines"
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
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


FONT = FontProperties(size=100, math_fontfamily="stix")
PARSER = MathTextParser("path")
COMMANDS = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}


def drawn(formula):
    """Return a formula as SVG, in the colour and size of the text around it, for which no font is needed."""
    text = f"${formula.strip()}$"
    width, height, depth, *_ = PARSER.parse(text, 72, FONT)
    outline = "".join(
        COMMANDS[code] + ("" if code == 79 else " ".join(f"{each:.0f}" for each in ends))
        for ends, code in TextPath((0, 0), text, prop=FONT).iter_segments()
    )
    style = f"width:{width / 100}em;height:{height / 100}em;vertical-align:{-depth / 100}em"
    return (
        f'<svg class="formula" role="img" aria-label="{html.escape(formula.strip())}" style="{style}" '
        f'viewBox="0 {depth - height} {width} {height}"><path transform="scale(1,-1)" d="{outline}"/></svg>'
    )


def write_inline(writer, node):
    writer.body.append(drawn(node.astext()))
    raise nodes.SkipNode


def write_block(writer, node):
    writer.body.append(f'<div class="formulas">{drawn(node.astext().replace("frac", "dfrac"))}</div>')
    raise nodes.SkipNode


def signature_of(app, what, name, thing, options, signature, result):
    """Return how a class is made whose base is of a framework that is not here, and takes anything."""
    if what == "class" and signature == "(*args, **kwargs)":
        made = inspect.signature(thing.__init__, bound_method=True)
        return inspect.stringify_signature(made, show_annotation=False), result
    return None


def setup(app):
    app.connect("autodoc-process-signature", signature_of)
    app.add_html_math_renderer("outlines", (write_inline, None), (write_block, None))
    app.add_transform(DarkTwins)
