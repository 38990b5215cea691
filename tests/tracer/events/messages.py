"""Queues, topics, buses, streams, tables and brokers."""

from __future__ import annotations

import json
from typing import Any

from tests.tracer.events.names import HOME, QUEUE, REGION, STREAM, TABLE, TOPIC, encoded, numbers


def s3(key: str = "a+b%2Fc.txt", request_id: str = "S3ID") -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:s3",
                "responseElements": {"x-amz-request-id": request_id},
                "s3": {"bucket": {"name": "audio", "arn": "arn:aws:s3:::audio"}, "object": {"key": key}},
            }
        ]
    }


def sqs_record(body: Any, number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "messageId": f"m{number}",
        "receiptHandle": "AQEB",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE,
        "awsRegion": REGION,
        **fields,
    }


def sqs(*bodies: Any) -> dict[str, Any]:
    return {"Records": [sqs_record(body, number) for number, body in enumerate(bodies)]}


def sqs_attributes(**values: str) -> dict[str, Any]:
    return {name: {"stringValue": value, "dataType": "String"} for name, value in values.items()}


def notification(message: Any, **attributes: str) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "n1",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in attributes.items()},
    }


def sns(message: Any, **attributes: str) -> dict[str, Any]:
    return {"Records": [{"EventSource": "aws:sns", "Sns": notification(message, **attributes)}]}


def eventbridge(source: str = "shop", detail: Any = None, kind: str = "Order placed") -> dict[str, Any]:
    return {"id": "e1", "detail-type": kind, "source": source, "detail": {} if detail is None else detail}


S3_EVENTBRIDGE = eventbridge(
    "aws.s3",
    {"bucket": {"name": "audio"}, "object": {"key": "a+b.txt"}, "request-id": "S3ID"},
    "Object Created",
)
RULE = f"arn:aws:events:{HOME}:rule/nightly"
RULE_SCHEDULE = {**eventbridge("aws.events", {}, "Scheduled Event"), "resources": [RULE]}
SCHEDULE = f"arn:aws:scheduler:{HOME}:schedule/default/nightly"
SCHEDULER = {**eventbridge("aws.scheduler", "{}", "Scheduled Event"), "resources": [SCHEDULE]}


def kinesis(*data: Any) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:kinesis",
                "eventSourceARN": STREAM,
                "kinesis": {"partitionKey": "a", "sequenceNumber": f"49{number}", "data": encoded(one)},
            }
            for number, one in enumerate(data)
        ]
    }


def dynamodb_record(keys: Any, image: Any = None, **fields: Any) -> dict[str, Any]:
    change = {"Keys": keys, "SequenceNumber": "111"} | ({} if image is None else {"NewImage": image})
    return {
        "eventID": "1",
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"{TABLE}/stream/2026-05-28T00:00:00.000",
        "dynamodb": change,
        **fields,
    }


def kafka_record(offset: int = 15, **headers: str) -> dict[str, Any]:
    return {
        "topic": "orders",
        "partition": 0,
        "offset": offset,
        "value": "e30=",
        "headers": [{name: numbers(value)} for name, value in headers.items()],
    }


def kafka(*records: dict[str, Any]) -> dict[str, Any]:
    """Each record in a partition of its own."""
    return {
        "eventSource": "aws:kafka",
        "eventSourceArn": f"arn:aws:kafka:{HOME}:cluster/sales/abcd",
        "bootstrapServers": "b-1.sales:9092",
        "records": {f"orders-{number}": [record] for number, record in enumerate(records)},
    }


def rabbit(*properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventSource": "aws:rmq",
        "eventSourceArn": f"arn:aws:mq:{HOME}:broker:pizza:b-1",
        "rmqMessagesByQueue": {"pizzas::/": [{"basicProperties": one, "data": "e30="} for one in properties]},
    }


def active(**properties: str) -> dict[str, Any]:
    return {
        "eventSource": "aws:amq",
        "eventSourceArn": f"arn:aws:mq:{HOME}:broker:pizza:b-1",
        "messages": [{"messageID": "ID:1", "destination": {"physicalName": "pizzas"}, "properties": properties}],
    }


DOCUMENTDB = {
    "eventSource": "aws:docdb",
    "eventSourceArn": f"arn:aws:rds:{HOME}:cluster:people",
    "events": [{"event": {"_id": {"_data": "01"}, "operationType": "insert"}}],
}
