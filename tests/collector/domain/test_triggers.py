from __future__ import annotations

import pytest

from collector.domain.calls import describe_call, make_resource
from collector.domain.spans import CONSUMER, INTERNAL, SERVER, Value
from collector.domain.triggers import trigger_of

PLACE = "eu-west-1:123456789012"


@pytest.mark.parametrize(
    ("type", "named", "service", "name"),
    [
        ("s3", "arn:aws:s3:::uploads", "s3", "uploads"),
        ("s3", "uploads", "s3", "uploads"),
        ("sqs", f"arn:aws:sqs:{PLACE}:jobs", "sqs", "jobs"),
        ("sns", f"arn:aws:sns:{PLACE}:alarms", "sns", "alarms"),
        ("dynamodb", f"arn:aws:dynamodb:{PLACE}:table/orders/stream/2026-05-28T00:00:00.000", "dynamodb", "orders"),
        ("schedule", f"arn:aws:events:{PLACE}:rule/nightly", "eventbridge", "nightly"),
        ("schedule", "nightly", "eventbridge", "nightly"),
        ("eventbridge", "orders", "eventbridge", "orders"),
        ("apigateway", "a1b2c3", "apigateway", "a1b2c3"),
        ("function_url", "a1b2c3", "lambda", "a1b2c3"),
        ("alb", f"arn:aws:elasticloadbalancing:{PLACE}:targetgroup/web/6d0e", "elasticloadbalancing", "web"),
        ("schedule", f"arn:aws:scheduler:{PLACE}:schedule/default/nightly", "scheduler", "nightly"),
        ("kinesis", f"arn:aws:kinesis:{PLACE}:stream/clicks", "kinesis", "clicks"),
        ("websocket", f"arn:aws:execute-api:{PLACE}:a1b2c3/prod", "apigateway", "a1b2c3"),
        ("websocket", "a1b2c3", "apigateway", "a1b2c3"),
        ("mq", "pizzas", "mq", "pizzas"),
        ("documentdb", f"arn:aws:rds:{PLACE}:cluster:people", "documentdb", "people"),
        ("logs", f"arn:aws:logs:{PLACE}:log-group:/aws/lambda/thumb", "cloudwatchlogs", "/aws/lambda/thumb"),
        ("logs", "/aws/lambda/thumb", "cloudwatchlogs", "/aws/lambda/thumb"),
        ("cognito", f"arn:aws:cognito-idp:{PLACE}:userpool/eu-west-1_aB3", "cognito", "eu-west-1_aB3"),
        ("stepfunctions", f"arn:aws:states:{PLACE}:stateMachine:checkout", "stepfunctions", "checkout"),
        ("destination", f"arn:aws:lambda:{PLACE}:function:thumb:$LATEST", "lambda", "thumb"),
        ("appsync", "abc.appsync-api.eu-west-1.amazonaws.com", "appsync", "abc.appsync-api.eu-west-1.amazonaws.com"),
        ("vpclattice", f"arn:aws:vpc-lattice:{PLACE}:service/svc-1", "vpclattice", "svc-1"),
        ("cloudfront", "arn:aws:cloudfront::123456789012:distribution/E123", "cloudfront", "E123"),
        ("s3batch", "arn:aws:s3:::audio", "s3", "audio"),
        ("ses", "example.com", "ses", "example.com"),
        ("lex", "Pizza", "lex", "Pizza"),
    ],
)
def test_triggers_of_the_tracer(type: str, named: str, service: str, name: str) -> None:
    """The tracer says the type, and the resource by ARN or by name."""
    found = trigger_of({"clew.trigger.type": type, "clew.trigger.resource": named}, SERVER, "eu-west-1")
    assert found.type == type
    assert found.resource is not None
    assert found.resource.id == make_resource(service, "eu-west-1", name).id


def test_the_resource_is_the_one_that_calls_reach() -> None:
    """A bucket that one function writes and that sets off another is one resource."""
    found = trigger_of({"clew.trigger.type": "s3", "clew.trigger.resource": "uploads"}, SERVER, "eu-west-1")
    assert found.resource is not None
    assert found.resource.id == make_resource("s3", "us-east-1", "uploads").id


def test_a_topic_of_kafka_is_the_one_that_its_producers_name() -> None:
    """Their clients know neither a region nor an ARN."""
    found = trigger_of({"clew.trigger.type": "kafka", "clew.trigger.resource": "orders"}, SERVER, "eu-west-1")
    produced = describe_call("send", {"messaging.system": "kafka", "messaging.destination.name": "orders"}, "eu-west-1")
    assert found.resource is not None
    assert produced is not None
    assert found.resource.id == produced.resource.id


def test_a_durable_function_is_not_its_own_resource() -> None:
    """The name that the tracer gives is the function's."""
    named = f"arn:aws:lambda:{PLACE}:function:thumb:3"
    attributes: dict[str, Value] = {"clew.trigger.type": "durable", "clew.trigger.resource": named}
    assert trigger_of(attributes, SERVER, "eu-west-1") == ("durable", None)


@pytest.mark.parametrize(
    ("attributes", "kind", "type", "name"),
    [
        ({"clew.trigger.type": "direct", "clew.trigger.resource": "me"}, SERVER, "direct", None),
        ({"clew.trigger.type": "s3"}, SERVER, "s3", None),
        ({"faas.trigger": "http", "http.method": "GET"}, SERVER, "http", None),
        ({"faas.trigger": "timer"}, SERVER, "schedule", None),
        ({"faas.trigger": "pubsub"}, SERVER, "messaging", None),
        ({"faas.trigger": "datasource"}, CONSUMER, "datasource", None),
        ({"faas.trigger": "other"}, SERVER, "direct", None),
        ({"faas.trigger": "pubsub", "messaging.system": "aws_sqs"}, SERVER, "sqs", None),
        ({"messaging.system": "aws.sqs", "messaging.destination.name": "jobs"}, CONSUMER, "sqs", "jobs"),
        ({"messaging.system": "AmazonSQS", "messaging.destination": "https://sqs/1/jobs"}, CONSUMER, "sqs", "jobs"),
        ({"messaging.system": "kafka", "messaging.destination.name": "orders"}, CONSUMER, "kafka", "orders"),
        ({"http.method": "GET"}, SERVER, "http", None),
        ({"http.request.method": "GET"}, SERVER, "http", None),
        ({}, CONSUMER, "messaging", None),
        ({}, INTERNAL, "direct", None),
        ({"clew.trigger.type": ["s3"], "faas.trigger": 7}, SERVER, "direct", None),
    ],
)
def test_triggers_by_the_conventions(attributes: dict[str, Value], kind: int, type: str, name: str | None) -> None:
    """Without the tracer's words the conventions of FaaS, messaging and HTTP say what it was."""
    found = trigger_of(attributes, kind, "eu-west-1")
    assert found.type == type
    assert (found.resource.name if found.resource is not None else None) == name
