"""Print the first release of packages that pyproject.toml admits, for pip."""

import re
import sys
import tomllib
from pathlib import Path

pyproject = Path(__file__).parents[1] / "pyproject.toml"
project = tomllib.loads(pyproject.read_text())["project"]
for name in sys.argv[1:]:
    (first,) = re.findall(
        rf"^{name}>=([\d.]+)", "\n".join(project["dependencies"]), re.M
    )
    print(f"{name}=={first}.*")
