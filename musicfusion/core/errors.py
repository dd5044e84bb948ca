"""The only kind of exception that a user should see."""


class MusicFusionError(Exception):
    """Bad input: one line that says what is wrong, in which file, and what would be accepted.

    The command line prints it and exits with code 2; nothing has been written by then.
    """
