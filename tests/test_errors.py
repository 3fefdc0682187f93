"""The few kinds of errors that reach a user."""

import pytest

from famous.errors import ConfigError, FamousError, InputError, MissingError


@pytest.mark.parametrize("kind", [InputError, ConfigError, MissingError])
def test_every_kind_is_caught_as_one_and_keeps_its_message(kind):
    with pytest.raises(FamousError, match="slice 3: found 4"):
        raise kind("slice 3: found 4")


def test_faults_of_the_program_are_no_such_errors():
    assert FamousError.__mro__ == (FamousError, Exception, BaseException, object)
    assert not issubclass(InputError, ConfigError)
    assert not issubclass(MissingError, InputError)
