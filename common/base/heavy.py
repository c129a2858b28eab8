"""Libraries that take seconds to import, each imported when something of it is first used.

The words and tables of a finished run need none of them, and neither does the first page of the
app. So the core and the front ends take them from here::

    from common.base.heavy import torch

Annotations may name the libraries themselves, under ``TYPE_CHECKING``. A module that needs one at
once (for the base of a class) imports it as usual, and is itself imported by the functions that
need the module.
"""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from threading import RLock, Thread
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["functional", "preprocessing", "pytree", "scipy", "stats", "torch", "warm_up", "weak"]

_ONE = RLock()


class Later(ModuleType):
    """Stands for a module until something of it is asked for; then that is the module's own.

    One of them is imported at a time, and the whole of a library before a part of it: threads that
    import two parts at once may each hold what the other waits for, which Python ends by an error.

    Parameters
    ----------
    name : str
        Of the module.
    """

    @cached_property
    def _whole(self) -> ModuleType:
        with _ONE:
            import_module(self.__name__.partition(".")[0])
            return import_module(self.__name__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


if TYPE_CHECKING:
    import scipy
    import torch
    from scipy import stats
    from sklearn import preprocessing
    from torch.nn import functional
    from torch.utils import _pytree as pytree
    from torch.utils import weak
else:
    functional = Later("torch.nn.functional")
    preprocessing = Later("sklearn.preprocessing")
    pytree = Later("torch.utils._pytree")
    scipy = Later("scipy")
    stats = Later("scipy.stats")
    torch = Later("torch")
    weak = Later("torch.utils.weak")


def warm_up() -> None:
    """Import all of them beside whatever goes on, so that who needs one first waits for less."""
    Thread(target=_import_all, name="warm-up", daemon=True).start()


def _import_all() -> None:
    for each in [each for each in globals().values() if isinstance(each, Later)]:
        _ = each._whole
