"""What Lambda's Python runtime starts: AWS's own runtime client with the handler that `_HANDLER` names.

A script, run by the function's Python: `AWS_LAMBDA_EXEC_WRAPPER` gets `python bootstrap.py` as its arguments and may
change `_HANDLER` before it goes on with them.
"""

import os
import sys

# This script's own directory is no place to import from; Lambda has the function's code first.
sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
try:
    from awslambdaric.__main__ import main
except ModuleNotFoundError as error:
    if error.name != "awslambdaric":
        raise
    sys.exit(f"awslambdaric is missing: {sys.executable} -m pip install awslambdaric")

main([__file__, os.environ["_HANDLER"]])
