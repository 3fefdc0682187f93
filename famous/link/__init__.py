"""Slices to instances: one file a method."""
