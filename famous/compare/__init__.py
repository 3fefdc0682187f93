"""How far label sets agree: overlaps, matching, scores, distances and their uncertainty; arrays and tables only."""
