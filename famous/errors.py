"""What goes wrong, as far as a user can mend it: every message names the thing, what was found, what was expected."""


class FamousError(Exception):
    """A problem that the user can mend; the command line prints its message without a traceback."""


class InputError(FamousError):
    """A file, an array or a table is not what it has to be."""


class ConfigError(FamousError):
    """A configuration key or value is wrong.

    The message begins with its path: from its own section on where parameters are made by themselves, the full one
    where they come from a configuration.
    """


class MissingError(FamousError):
    """An optional program, library or file is not there; the message says how to get it."""
