"""Instances to meshes: one file a method."""
