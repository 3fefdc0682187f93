"""Two label volumes side by side: overlaps once through the slices, everything else from those tables."""
