"""Loops over numbers, compiled to machine code by numba. Import it late: that takes a moment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(*, fastmath: frozenset[str] = frozenset()) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compiles a function when it is first called, and keeps that on disk; other threads go on while it runs.

    ``fastmath``: what of arithmetic may be loosened, as LLVM names it; nothing unless it is asked for.
    """

    def compile_it(function: Callable[P, R]) -> Callable[P, R]:
        jit = partial(njit, nogil=True, error_model="numpy", fastmath=set(fastmath))
        try:
            return cast(Callable[P, R], jit(function, cache=True))
        except RuntimeError:  # neither beside its file nor in the user's cache can anything be kept
            return cast(Callable[P, R], jit(function))

    return compile_it
