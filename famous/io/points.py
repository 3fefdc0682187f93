"""Point clouds as PLY files, (x, y, z) in µm as the meshes beside them."""

from pathlib import Path

import numpy as np

from famous.files import atomic_path
from famous.points import PointCloud
from famous.voxels import NM_PER_UM, zyx_to_xyz

ABOUT = "made by famous; unit micrometre; axes x y z"


def write_points(path: str | Path, cloud: PointCloud, *, about: str = "") -> Path:
    """Write points and normals as a binary PLY, atomically; `about` stands in its header."""
    path = Path(path)
    comments = [line for line in (ABOUT, " ".join(about.split())) if line]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {line.encode('ascii', 'backslashreplace').decode('ascii')}" for line in comments),
        f"element vertex {len(cloud)}",
        *(f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")),
        "end_header\n",
    ]
    rows = np.concatenate([zyx_to_xyz(cloud.positions / NM_PER_UM), zyx_to_xyz(cloud.normals)], axis=1)
    with atomic_path(path) as temporary:
        temporary.write_bytes("\n".join(header).encode("ascii") + rows.astype("<f4").tobytes())
    return path
