"""famous: named, measured, watertight organelle meshes from a volume-EM stack and about 20 box-labelled slices."""

__version__ = "0.1.0"
