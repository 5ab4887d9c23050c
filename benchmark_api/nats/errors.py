"""The one kind of error that is neither ours nor the package's."""


class InvalidArgument(ValueError, AssertionError):
    """A bad argument where the package has an `assert`: a ValueError, as everywhere here, that a script may catch as before."""
