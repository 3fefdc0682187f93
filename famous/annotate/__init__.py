"""Labelling in the browser: the state of a labelling, its server and its page. No file format is opened here."""
