"""Every trigger is told from the others, and its resource named."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from clew.triggers import find_trigger, http_attributes, http_status
from tests.tracer import events
from tests.tracer.events import ACCOUNT, HOME, REGION

API = f"arn:aws:execute-api:{HOME}:abc"


def told(event: object) -> tuple[str, str, str]:
    found = find_trigger(event, REGION, ACCOUNT)
    return found.type, found.faas, found.resource


@pytest.mark.parametrize(
    ("event", "type", "faas", "resource"),
    [
        (events.s3(), "s3", "datasource", "arn:aws:s3:::audio"),
        (events.sqs("x", "y"), "sqs", "pubsub", events.QUEUE),
        (events.sns("x"), "sns", "pubsub", events.TOPIC),
        (events.kinesis({}), "kinesis", "pubsub", events.STREAM),
        ({"Records": [events.dynamodb_record({"id": {"S": "1"}})]}, "dynamodb", "datasource", events.TABLE),
        (events.kafka(events.kafka_record()), "kafka", "pubsub", "orders"),
        ({**events.kafka(events.kafka_record()), "eventSource": "SelfManagedKafka"}, "kafka", "pubsub", "orders"),
        (events.rabbit({}), "mq", "pubsub", "pizzas"),
        (events.active(), "mq", "pubsub", "pizzas"),
        (events.DOCUMENTDB, "documentdb", "datasource", f"arn:aws:rds:{HOME}:cluster:people"),
        (events.eventbridge(), "eventbridge", "pubsub", "shop"),
        (events.S3_EVENTBRIDGE, "eventbridge", "pubsub", "aws.s3"),
        (events.RULE_SCHEDULE, "schedule", "timer", events.RULE),
        (events.SCHEDULER, "schedule", "timer", events.SCHEDULE),
        (events.REST, "apigateway", "http", f"{API}/prod"),
        (events.HTTP, "apigateway", "http", f"{API}/$default"),
        (events.TOKEN_AUTHORIZER, "apigateway", "http", f"{API}/prod"),
        ({**events.REST, "type": "REQUEST", "methodArn": "arn:x"}, "apigateway", "http", f"{API}/prod"),
        (events.WEBSOCKET, "websocket", "http", f"{API}/prod"),
        (events.FUNCTION_URL, "function_url", "http", "xyz.lambda-url.eu-west-1.on.aws"),
        (events.BALANCER, "alb", "http", events.GROUP),
        (events.BALANCER_MULTI, "alb", "http", events.GROUP),
        (events.LATTICE, "vpclattice", "http", f"arn:aws:vpc-lattice:{HOME}:service/svc-1"),
        (events.LATTICE_1, "vpclattice", "http", ""),
        (events.EDGE, "cloudfront", "http", f"arn:aws:cloudfront::{ACCOUNT}:distribution/E123"),
        (events.RESOLVER, "appsync", "http", "abc.appsync-api.eu-west-1.amazonaws.com"),
        ([events.RESOLVER, events.RESOLVER], "appsync", "http", "abc.appsync-api.eu-west-1.amazonaws.com"),
        (events.CHANNEL, "appsync", "http", "events.example.com"),
        (events.APPSYNC_AUTHORIZER, "appsync", "http", f"arn:aws:appsync:{HOME}:apis/gql"),
        (events.COGNITO, "cognito", "other", f"arn:aws:cognito-idp:{HOME}:userpool/eu-west-1_aB3"),
        (events.SES, "ses", "pubsub", "example.com"),
        (events.logs(), "logs", "pubsub", f"arn:aws:logs:{REGION}:210987654321:log-group:/aws/lambda/thumb"),
        (events.destination(), "destination", "other", f"{events.FUNCTION}:$LATEST"),
        (events.BATCH_DESTINATION, "destination", "other", f"{events.FUNCTION}:$LATEST"),
        (events.durable({}), "durable", "other", f"{events.FUNCTION}:3"),
        ({"Execution": {"Id": events.EXECUTION}}, "stepfunctions", "other", events.MACHINE),
        ({"input": {"deep": {"arn": f"{events.EXECUTION}"}}}, "stepfunctions", "other", events.MACHINE),
        ({"id": f"arn:aws:states:{HOME}:express:checkout:run:1"}, "stepfunctions", "other", events.MACHINE),
        ({"id": f"arn:aws:states:{HOME}:execution:checkout/map:1"}, "stepfunctions", "other", events.MACHINE),
        (events.FIREHOSE, "firehose", "pubsub", f"arn:aws:firehose:{HOME}:deliverystream/out"),
        (events.ALEXA, "alexa", "http", "amzn1.ask.skill.1"),
        (events.SMART_HOME, "alexa", "http", ""),
        (events.LEX_1, "lex", "http", "Pizza"),
        (events.LEX_2, "lex", "http", "Pizza"),
        (events.IOT_PRESENCE, "iot", "pubsub", ""),
        (events.IOT_BUTTON, "iot", "pubsub", ""),
        (events.ALARM, "cloudwatch", "other", f"arn:aws:cloudwatch:{HOME}:alarm:errors"),
        (events.CUSTOM_RESOURCE, "cloudformation", "other", events.STACK),
        (events.CODEPIPELINE, "codepipeline", "other", ""),
        (events.CODEDEPLOY, "codedeploy", "other", ""),
        (events.CONFIG, "config", "other", events.CONFIG_RULE),
        (events.ROTATION, "secretsmanager", "other", events.SECRET),
        (events.S3_BATCH, "s3batch", "datasource", "arn:aws:s3:::audio"),
        (events.OBJECT_LAMBDA, "s3objectlambda", "other", events.ACCESS_POINT),
        (events.AGENT, "bedrock", "other", "claims"),
        (events.CONNECT, "connect", "other", f"arn:aws:connect:{HOME}:instance/9308"),
    ],
)
def test_an_event_tells_its_trigger(event: Any, type: str, faas: str, resource: str) -> None:
    """Each service's event is told from the others."""
    assert told(event) == (type, faas, resource)


@pytest.mark.parametrize(
    ("record", "type", "resource"),
    [
        (events.sqs_record("x"), "sqs", events.QUEUE),
        (events.dynamodb_record({"id": {"S": "1"}}), "dynamodb", events.TABLE),
        (
            {"eventSource": "aws:kinesis", "eventSourceARN": events.STREAM, "sequenceNumber": "1"},
            "kinesis",
            events.STREAM,
        ),
        ({"eventSource": "aws:kafka", "eventSourceKey": "orders-0", **events.kafka_record()}, "kafka", "orders"),
        ({"eventSource": "aws:rmq", "eventSourceKey": "pizzas::/", "data": "e30="}, "mq", "pizzas"),
        ({"eventSource": "aws:amq", "destination": {"physicalName": "pizzas"}}, "mq", "pizzas"),
    ],
)
def test_pipes_send_a_list_or_one_record(record: dict[str, Any], type: str, resource: str) -> None:
    """The source is the trigger: a pipe is a pipe."""
    for event in ([record, record], record):
        found = find_trigger(event, REGION, ACCOUNT)
        assert (found.type, found.resource) == (type, resource)


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        [],
        "text",
        7,
        {"any": "thing"},
        [1, "a", None],
        [{"id": 1}],
        {"Records": []},
        {"Records": [{"eventSource": "mine"}]},
        {"Records": [None, 1]},
        {"requestContext": {"stage": "prod"}},
        {"requestContext": "x"},
        {"headers": {"traceparent": events.PARENT}},
        {"context": {}, "session": {}, "request": {}},
        {"info": "x", "request": {}},
        {"bot": "x"},
        {"tasks": []},
        {"awslogs": {}},
        {"detail-type": "x"},
        {"arn": "arn:aws:states:eu-west-1:1:stateMachine:checkout"},
        {"a": {"b": {"c": {"d": {"arn": events.EXECUTION}}}}},
        {"DurableExecutionArn": 7},
    ],
)
def test_what_no_service_sends_is_direct(event: Any) -> None:
    """Also what has a service's words in it, but not its shape."""
    assert told(event) == ("direct", "other", "")


def test_an_event_in_an_object_is_read() -> None:
    """Powertools' `event_source` gives the handler an object around Lambda's event."""

    class Wrapper:
        raw_event = events.sqs("x")

    assert find_trigger(Wrapper(), REGION, ACCOUNT).type == "sqs"


def test_arns_are_of_the_function_s_own_world() -> None:
    """In China and in the US government's regions ARNs begin otherwise; without region or account there is none."""
    assert find_trigger(events.REST, "cn-north-1", ACCOUNT).resource.startswith("arn:aws-cn:execute-api:cn-north-1:")
    assert find_trigger(events.COGNITO | {"region": "us-gov-west-1"}, "", ACCOUNT).resource.startswith(
        "arn:aws-us-gov:"
    )
    assert find_trigger(events.WEBSOCKET, REGION, "").resource == "abc"


def test_a_log_group_is_read_whatever_its_size() -> None:
    """Only the beginning is unpacked, so neither a bomb nor many lines cost more; what is no packed text tells none."""
    name = "arn:aws:logs:eu-west-1:210987654321:log-group:/aws/lambda/thumb"
    assert find_trigger(events.logs(lines=20_000), REGION, ACCOUNT).resource == name
    bomb = events.logs()["awslogs"]["data"]
    for data in ("", "x", "####", base64.b64encode(b"\x1f\x8b" + b"\x00" * 50).decode(), bomb[:20], bomb[1:]):
        assert told({"awslogs": {"data": data}}) == ("logs", "pubsub", "")


AGENT = {"user_agent.original": "curl/8"}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            events.REST,
            {
                "http.request.method": "GET",
                "url.path": "/pets/7",
                "url.scheme": "https",
                "http.route": "/pets/{id}",
                "server.address": "api.example.com",
                **AGENT,
            },
        ),
        (
            events.HTTP,
            {
                "http.request.method": "POST",
                "url.path": "/pets/7",
                "url.scheme": "https",
                "http.route": "/pets/{id}",
                "server.address": "abc.execute-api.eu-west-1.amazonaws.com",
                **AGENT,
            },
        ),
        (
            events.FUNCTION_URL,
            {
                "http.request.method": "GET",
                "url.path": "/pets",
                "url.scheme": "https",
                "server.address": "xyz.lambda-url.eu-west-1.on.aws",
            },
        ),
        *(
            (
                event,
                {
                    "http.request.method": "GET",
                    "url.path": "/pets",
                    "url.scheme": "https",
                    "server.address": "api.example.com",
                    **AGENT,
                },
            )
            for event in (events.BALANCER, events.BALANCER_MULTI)
        ),
        (
            events.LATTICE,
            {"http.request.method": "GET", "url.path": "/pets/", "server.address": "pets.example.com"},
        ),
        (
            events.LATTICE_1,
            {"http.request.method": "GET", "url.path": "/pets", "server.address": "pets.example.com"},
        ),
        (
            events.EDGE,
            {"http.request.method": "GET", "url.path": "/pets", "server.address": "d1.cloudfront.net"},
        ),
        (
            events.WEBSOCKET,
            {
                "clew.websocket.connection_id": "L0SM9cOFvHcCIhw=",
                "clew.websocket.route": "move",
                "server.address": "abc.execute-api.eu-west-1.amazonaws.com",
            },
        ),
        (
            events.RESOLVER,
            {
                "graphql.operation.type": "query",
                "clew.appsync.field": "Query.pet",
                "server.address": "abc.appsync-api.eu-west-1.amazonaws.com",
            },
        ),
        ({**events.REST, "httpMethod": "brew", "headers": {}, "multiValueHeaders": None}, None),
        (events.eventbridge(), {}),
    ],
)
def test_requests_are_told_by_the_conventions(event: Any, expected: dict[str, str] | None) -> None:
    """Method, path, route and who asked, where there is a request. A route is a template, never a path."""
    found = http_attributes(event, find_trigger(event, REGION, ACCOUNT))

    if expected is None:
        assert found["http.request.method"] == "_OTHER"
        assert "user_agent.original" not in found
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("event", "result", "status"),
    [
        (events.REST, {"statusCode": 503}, 503),
        (events.HTTP, {"statusCode": "404"}, 404),
        (events.BALANCER, {"statusCode": True}, None),
        (events.REST, {"statusCode": 99}, None),
        (events.REST, ["x"], None),
        (events.EDGE, {"status": "302"}, 302),
        (events.EDGE, {"statusCode": 500}, None),
        (events.RESOLVER, {"statusCode": 500}, None),
        (events.sqs("x"), {"statusCode": 500}, None),
        (events.TOKEN_AUTHORIZER, {"principalId": "me"}, None),
    ],
)
def test_only_an_answer_has_a_status(event: Any, result: Any, status: int | None) -> None:
    """A field of that name is data where nobody reads it as a status."""
    assert http_status(result, find_trigger(event, REGION, ACCOUNT)) == status
