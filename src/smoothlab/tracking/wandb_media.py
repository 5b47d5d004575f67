"""W&B's folder for tables and pictures that wait to be sent, one for each process.

W&B makes it when it is imported, and removes it when Python ends. Processes forked after the import share it, and the
first of them that ends takes it away from all others.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref

_NAME = "wandb.sdk.data_types._private"
_inherited = False  # whether the folder is the parent's


def own_folder() -> None:
    """Give this process a folder of its own, where it has its parent's."""
    global _inherited
    if not _inherited:
        return
    folder = sys.modules[_NAME].MEDIA_TMP
    folder.name = tempfile.mkdtemp("wandb-media")
    folder._finalizer = weakref.finalize(folder, shutil.rmtree, folder.name, ignore_errors=True)
    _inherited = False


def _leave_to_parent() -> None:
    """In a process that was just forked: what the parent made is the parent's to remove."""
    global _inherited
    module = sys.modules.get(_NAME)
    if module is not None:
        module.MEDIA_TMP._finalizer.detach()
        module.MEDIA_TMP.name += f"-{os.getpid()}"  # which is not there: W&B removes what the name says at the end
        _inherited = True


os.register_at_fork(after_in_child=_leave_to_parent)
