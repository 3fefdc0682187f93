"""Boxes to pixels: one file a method, one function a slice."""
