"""The icon sets: where each comes from, its licence, what it is used for."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coursework.data.download import Archive
from coursework.data.packages import NpmPackage
from coursework.data.sources import File

Use = Literal["train", "test"]
WHOLE = "icons.json"  # the file of each package that holds all its icons


@dataclass(frozen=True, kw_only=True)
class Style:
    """An icon set: version and file of its npm package, author, licence.

    ``licence`` is the SPDX identifier, ``terms`` the address that the set
    gives for it.
    """

    version: str
    sha256: str
    size: int
    author: str
    licence: str
    terms: str
    use: Use = "train"


STYLES: Mapping[str, Style] = {
    "emojione": Style(
        version="1.2.3",
        sha256="e9a865faed523a7c3535b5319ae533d0"
        "9fac1a62b4e96920eb178bb60e707e80",
        size=2_976_514,
        author="Emoji One",
        licence="CC-BY-4.0",
        terms="https://creativecommons.org/licenses/by/4.0/",
    ),
    "emojione-v1": Style(
        version="1.2.3",
        sha256="7209a500c5607daff4969e5d5ae25da7"
        "10ab1877c29efec6199d3611a8d5c942",
        size=10_458_456,
        author="Emoji One",
        licence="CC-BY-SA-4.0",
        terms="https://creativecommons.org/licenses/by-sa/4.0/",
        use="test",
    ),
    "fluent-emoji-flat": Style(
        version="1.2.6",
        sha256="f5f4cf457c0db2ad5a2e42e033e02e0c"
        "87d10e43d0164cfffb3bb84914970a63",
        size=8_958_092,
        author="Microsoft Corporation",
        licence="MIT",
        terms="https://github.com/microsoft/fluentui-emoji/blob/main/LICENSE",
    ),
    "fxemoji": Style(
        version="1.2.2",
        sha256="d8ef67b94a32d0abcd314d1c35db5617"
        "8eaa8fa8ad71130e312f3460e307c2bf",
        size=2_782_919,
        author="Mozilla",
        licence="Apache-2.0",
        terms="https://mozilla.github.io/fxemoji/LICENSE.md",
    ),
    "noto": Style(
        version="1.2.9",
        sha256="9eac6ef4e7ec122b6f0e7ac281d61008"
        "afdbc720d0ce861e398b939daaa347c6",
        size=25_233_364,
        author="Google Inc",
        licence="Apache-2.0",
        terms="https://github.com/googlefonts/noto-emoji/blob/main/svg/LICENSE",
    ),
    "noto-v1": Style(
        version="1.2.5",
        sha256="ce70d8aa90345cf389875c3571ecd245"
        "bd943401822a0c5a0f62336bf8487333",
        size=8_273_516,
        author="Google Inc",
        licence="Apache-2.0",
        terms="https://github.com/googlefonts/noto-emoji/blob/main/svg/LICENSE",
    ),
    "openmoji": Style(
        version="1.2.29",
        sha256="7075331faab544067dbff4236471dd37"
        "8bb5410aa05799a8a343c9ebf5c5984c",
        size=9_079_991,
        author="OpenMoji",
        licence="CC-BY-SA-4.0",
        terms="https://creativecommons.org/licenses/by-sa/4.0/",
    ),
    "streamline-emojis": Style(
        version="1.2.4",
        sha256="d3cb7afee48544af5657a92951cff18f"
        "fef7b150a13b3df1bb54b8c0757bfad6",
        size=2_585_337,
        author="Streamline",
        licence="CC-BY-4.0",
        terms="https://creativecommons.org/licenses/by/4.0/",
        use="test",
    ),
    "twemoji": Style(
        version="1.2.5",
        sha256="5d5d820790565b764f2728675d487c9e"
        "e4c1fc83916d8567d5aca8ba7527c242",
        size=10_187_099,
        author="Twitter",
        licence="CC-BY-4.0",
        terms="https://creativecommons.org/licenses/by/4.0/",
        use="test",
    ),
}


@dataclass(frozen=True)
class IconPackages:
    """The npm packages of the sets, each of which gives one of the files."""

    versions: Mapping[str, str]

    def bring(self, files: Sequence[File], folder: Path) -> None:
        """Fetch the package of each file and give its icons that name."""
        for file in files:
            name = Path(file.name).stem
            package = f"@iconify-json/{name}@{self.versions[name]}"
            whole = File(WHOLE, file.sha256, file.size)
            with tempfile.TemporaryDirectory(dir=folder) as place:
                NpmPackage(package, "package").bring([whole], Path(place))
                (Path(place) / WHOLE).replace(folder / file.name)


def archive(styles: Mapping[str, Style]) -> Archive:
    """Make the archive of the sets: a file ``NAME.json`` for each."""
    return Archive(
        name="objects",
        download_mb=14.5,
        files=tuple(
            File(f"{name}.json", style.sha256, style.size)
            for name, style in styles.items()
        ),
        sources=(
            IconPackages({name: s.version for name, s in styles.items()}),
        ),
    )


ARCHIVE = archive(STYLES)


def credits() -> str:
    """List the sets in use with their authors and licences."""
    return "; ".join(
        f"{name} ({style.author}, {style.licence})"
        for name, style in STYLES.items()
    )
