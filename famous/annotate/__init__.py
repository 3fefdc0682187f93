"""The labelling server and its page."""
