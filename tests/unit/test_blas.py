"""One thread multiplies matrices while it is asked for, and as many as before afterwards."""

import pytest

from ex4d.system.blas import blas_threads, one_blas_thread


def test_one_thread_meanwhile_and_as_many_as_before_afterwards():
    before = blas_threads()
    if before is None:
        pytest.skip("numpy multiplies with another library than OpenBLAS here")

    def fails():
        with one_blas_thread():
            assert blas_threads() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert blas_threads() == before
