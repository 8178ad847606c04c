"""The environment of workers: what frameworks read of the server's own, and nothing that may be a secret."""

from __future__ import annotations

import os
import re
import site
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from zeromind.executor.order import Order

_NAMES = frozenset(
    {
        *("PATH", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "HOME", "VIRTUAL_ENV", "CONDA_PREFIX", "SYSTEMROOT", "WINDIR"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GLIBC_TUNABLES", "MPLCONFIGDIR"),
    }
)
_PREFIXES = (
    *("LC_", "PYTHON", "MALLOC_", "MIMALLOC_", "TBB_", "OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "BLIS_", "VECLIB_", "NUMEXPR_"),
    *("NUMBA_", "JOBLIB_", "LOKY_", "ONEDNN_", "DNNL_", "CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_", "NCCL_", "TRITON_", "TRT_", "HIP_"),
    *("HSA_", "ROCR_", "TF_", "TF2_", "XLA_", "JAX_", "PJRT_", "KERAS_", "TORCH", "PYTORCH_", "AOTI_", "ORT_", "ONNX", "OPENVINO_", "OV_"),
    *("OPENCV_", "HF_", "TRANSFORMERS_", "TOKENIZERS_", "MLFLOW_"),
)
_SECRET = re.compile(r"TOKEN|SECRET|PASS|CREDENTIAL|AUTH|(^|_)(API)?KEYS?(_|$)|_URI$|_URL$")
PROGRAM: tuple[str, ...] = ("-m", "zeromind.executor")
"""What Python is told, to be a worker."""
if sys.version_info < (3, 11):  # which knows no PYTHONSAFEPATH
    PROGRAM = ("-c", "import sys; del sys.path[0]; import runpy; runpy.run_module('zeromind.executor', run_name='__main__')")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def chosen(environ: Mapping[str, str], further: Iterable[str] = ()) -> dict[str, str]:
    """Those of the server's variables that its workers get; ``further`` are those that the operator names."""
    named = {*_NAMES, *further}
    return {
        name: value for name, value in environ.items() if name in named or (name.startswith(_PREFIXES) and not _SECRET.search(name.upper()))
    }


def of_worker(order: Order, scratch: Path) -> dict[str, str]:
    """The environment of one worker, whose caches and temporary files belong into its own folder."""
    given = chosen(os.environ) if order.environment is None else order.environment
    own = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    if order.confine != "off":
        own["HOME"] = str(scratch)
        if site.ENABLE_USER_SITE:
            own["PYTHONUSERBASE"] = site.getuserbase()  # else it would be looked for in the new home
    # PYTHONSAFEPATH: a file in the working directory must not pass for a module of the standard library.
    return {**dict.fromkeys(_THREADS, str(order.threads)), **given, **own, "PYTHONSAFEPATH": "1"}
