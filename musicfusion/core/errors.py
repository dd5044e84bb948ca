"""The one error that a user may see."""


class MusicFusionError(Exception):
    """Bad input at the border: one line that says what is wrong, where, and what would be accepted.

    launch.py prints the line and exits with code 2; nothing has been written by then.
    """
