"""A tiny writer of Amira label fields, after the format's description: all of its encodings."""

import itertools
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

NAMES = {"u1": "byte", "i2": "short", "u2": "ushort", "i4": "int"}


def runs(data: bytes) -> bytes:
    """Pack bytes as HxByteRLE: repeats of two and more, all else as it is."""
    out, literal = bytearray(), bytearray()

    def flush() -> None:
        for at in range(0, len(literal), 127):
            part = literal[at : at + 127]
            out.extend([128 + len(part), *part])
        literal.clear()

    for value, group in itertools.groupby(data):
        count = len(list(group))
        if count == 1:
            literal.append(value)
            continue
        flush()
        for at in range(0, count, 127):
            out.extend([min(127, count - at), value])
    flush()
    return bytes(out)


def write_amira(
    path: Path,
    labels: np.ndarray,
    *,
    encoding: str = "little",
    sizes: Sequence[float] = (30, 4, 4),
    origin: Sequence[float] = (0, 0, 0),
    materials: Sequence[str] = (),
    parameters: str = "",
) -> Path:
    """Write (z, y, x) labels; sizes and the first voxel's centre in whatever unit; materials without the exterior."""
    z, y, x = labels.shape
    low = np.array(origin, float)
    high = low + (np.array(labels.shape) - 1) * sizes
    box = " ".join(f"{low[axis]:.9g} {high[axis]:.9g}" for axis in (2, 1, 0))
    order = ">" if encoding == "big" else "<"
    first = {
        "big": "AmiraMesh 3D BINARY 2.0",
        "ascii": "AmiraMesh 3D ASCII 2.0",
        "avizo": "Avizo BINARY-LITTLE-ENDIAN 2.1",
    }
    data = labels.astype(labels.dtype.newbyteorder(order)).tobytes()
    packing = ""
    if encoding == "rle":
        data = runs(data)
        packing = f"(HxByteRLE,{len(data)})"
    elif encoding == "zip":
        data = zlib.compress(data)
        packing = f"(HxZip,{len(data)})"
    elif encoding == "ascii":
        data = "".join(f"{value}\n" for value in labels.ravel()).encode()
    listed = "".join(f"        {name} {{\n            Color 1 0 0\n        }}\n" for name in ("Exterior", *materials))
    text = f"""# {first.get(encoding, "AmiraMesh BINARY-LITTLE-ENDIAN 2.1")}


define Lattice {x} {y} {z}

Parameters {{
    {f"Materials {{{chr(10)}{listed}    }}" if materials else ""}
    Content "{x}x{y}x{z} byte, uniform coordinates",
    BoundingBox {box},
    {parameters}
    CoordType "uniform"
}}

Lattice {{ {NAMES[labels.dtype.str[1:]]} Labels }} @1{packing}

# Data section follows
@1
"""
    path.write_bytes(text.encode() + data + b"\n")
    return path
