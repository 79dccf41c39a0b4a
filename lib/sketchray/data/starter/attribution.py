"""The text that goes with the starter set wherever it goes."""

from importlib.resources import files

from sketchray.data.starter.packages import PACKAGES

_HEAD = """# Where these sketches and pictures come from

The starter set is put together from published npm packages. Their makers keep their rights; the licences below hold for
the files here, and for whatever is made of them where the licence says so.
"""


def attribution() -> str:
    """Return Markdown that names works, authors, licences, packages and changes, with the notices that they ask for."""
    entries = [
        f"## {package.work}\n\n"
        f"- by {package.author}\n"
        f"- licence: [{package.licence}]({package.licence_url})\n"
        f"- npm package: `{package.name}` {package.version}\n"
        f"- changes: {package.changes}\n"
        for package in PACKAGES
    ]
    notices = [f"{package.notice} (`{package.name}`)  \n" for package in PACKAGES if package.notice]
    mit = files("sketchray.data.starter").joinpath("MIT.txt").read_text(encoding="utf-8")
    return "\n".join([_HEAD, *entries, f"## MIT licence\n\n{''.join(notices)}\n{mit}"])
