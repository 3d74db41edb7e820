"""The error tree: exit codes, and errors that travel."""

from __future__ import annotations

import pickle

import pytest

from manifests import errors


def _family(error: type[errors.CleanplateError]) -> list[type[errors.CleanplateError]]:
    return [error, *(deeper for child in error.__subclasses__() for deeper in _family(child))]


@pytest.mark.parametrize(
    ("branch", "exit_code"), [(errors.UsageError, 2), (errors.Refused, 4), (errors.Fault, 1), (errors.InputFault, 1)]
)
def test_exit_code_is_that_of_the_branch_when_any_error_of_it_ends_a_run(
    branch: type[errors.CleanplateError], exit_code: int
) -> None:
    for error in _family(branch):
        assert error.exit_code == exit_code, error.__name__


def test_docstring_draws_every_error_there_is() -> None:
    for error in _family(errors.CleanplateError):
        assert error.__name__ in (errors.__doc__ or "")


def test_input_fault_keeps_status_and_message_when_it_goes_between_processes() -> None:
    fault = pickle.loads(pickle.dumps(errors.InputFault("undecodable", "the file ends early")))
    assert (fault.status, str(fault)) == ("undecodable", "the file ends early")
