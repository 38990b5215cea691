"""The same as `clew.aws_calls` for aiobotocore, whose clients' calls are coroutines."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from clew.aws_calls import MARK, begin, guard, with_context

if TYPE_CHECKING:
    from types import ModuleType


def wrap(module: ModuleType) -> None:
    """Trace the calls of aiobotocore's clients. `module` is `aiobotocore.client`.

    Each call of `asyncio.gather` runs in a task, whose context is a copy: what one sets no other sees.
    """
    client = module.AioBaseClient
    original = client.__dict__["_make_api_call"]
    if getattr(original, MARK, False):
        return

    @functools.wraps(original)
    async def _make_api_call(self: Any, operation_name: str, api_params: Any) -> Any:
        call = begin(self, operation_name, api_params)
        if call is None:
            return await original(self, operation_name, api_params)
        try:
            response = await original(self, operation_name, api_params)
        except BaseException as error:
            with guard:
                call.fail(error)
            raise
        with guard:
            call.end(response)
        return response

    emit = client._emit_api_params

    @functools.wraps(emit)
    async def _emit_api_params(self: Any, *args: Any, **kwargs: Any) -> Any:
        return with_context(await emit(self, *args, **kwargs), kwargs.get("operation_model"))

    setattr(_make_api_call, MARK, True)
    client._make_api_call = _make_api_call
    client._emit_api_params = _emit_api_params
