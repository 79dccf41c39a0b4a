"""What there is: ``python -m jobs`` lists the verbs and the recipes, each with its first line."""

import ast
import re
import sys
from itertools import takewhile
from pathlib import Path
from textwrap import shorten

HERE = Path(__file__).parent
WIDTH = 120


def verbs() -> dict[str, str]:
    """Return every verb with the first paragraph about it; nothing is imported."""
    files = sorted(path for path in HERE.glob("*.py") if not path.name.startswith("_"))
    docs = {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in files}
    return {verb: doc.partition("\n\n")[0].replace("\n", " ") for verb, doc in docs.items()}


def recipes() -> dict[str, str]:
    """Return every recipe with the first sentence of its comment."""
    told = {}
    for path in sorted((HERE / "recipes").glob("*.yaml")):
        lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
        comment = " ".join(line.lstrip("# ") for line in lines)
        sentence = re.split(r"(?<=[.;])\s|:\s+(?=python )", comment)[0].rstrip(".;")
        told[path.stem] = shorten(sentence, WIDTH, placeholder=" ...")
    return told


def main() -> int:
    """Print both lists."""
    print("python -m jobs.VERB [--recipe NAME] [key=value ...]     python -m jobs.VERB --help says more\n")
    for title, told in (("verbs", verbs()), ("recipes", recipes())):
        width = max(map(len, told))
        print(f"{title}:", *(f"  {name:<{width}}  {line}" for name, line in told.items()), "", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
