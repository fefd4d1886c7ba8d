"""What is kept of a result: its start beside the execution, and all of it as an artifact when it is longer."""

from __future__ import annotations

import orjson

from afield.connectors.adapter.wire import shortened
from afield.connectors.base import Output, Sink
from afield.connectors.coding import CodeResult
from afield.faultpoints import FaultPoint, reach

JSON = "application/json"


async def keep(result: CodeResult, sink: Sink) -> Output:
    """Store the result. The artifact is the whole result as JSON: `CodeResult.from_json` reads it."""
    short = shortened(result)
    detail = short.to_json()
    reach(FaultPoint.DURING_COLLECT)
    if short is result:
        return Output(artifact=None, media_type=JSON, detail=detail)
    data = orjson.dumps(result.to_json())
    await sink.write(data)
    return Output(artifact=await sink.commit(JSON), size=len(data), media_type=JSON, detail=detail)
