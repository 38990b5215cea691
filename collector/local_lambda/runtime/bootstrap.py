"""What Lambda's Python runtime starts: AWS's own runtime client with the handler that `_HANDLER` names.

A script, run by the function's Python: `AWS_LAMBDA_EXEC_WRAPPER` gets `python bootstrap.py` as its arguments and may
change `_HANDLER` before it goes on with them.
"""

import os
import sys

# Modules come from the function's code first; this script's own directory is no place to import from. Lambda looks into
# the layers only where the function has no PYTHONPATH of its own, and sets one that says nothing of them.
sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
opt = os.environ.pop("_LOCAL_LAMBDA_OPT")
if "PYTHONPATH" not in os.environ:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    sys.path[1:1] = [f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
    os.environ["PYTHONPATH"] = os.environ["LAMBDA_RUNTIME_DIR"]
try:
    from awslambdaric.__main__ import main
except ModuleNotFoundError as error:
    if error.name != "awslambdaric":
        raise
    sys.exit(f"awslambdaric is missing: {sys.executable} -m pip install awslambdaric")

main([__file__, os.environ["_HANDLER"]])
