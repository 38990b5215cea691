from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.arns import Arn, parse_arn, resource_name

PLACE = "eu-west-1:123456789012"


@pytest.mark.parametrize(
    ("text", "service", "name"),
    [
        ("arn:aws:s3:::uploads", "s3", "uploads"),
        ("arn:aws:s3:::uploads/a/b.mp3", "s3", "uploads"),
        (f"arn:aws:s3:{PLACE}:accesspoint/reader", "s3", "reader"),
        (f"arn:aws:sqs:{PLACE}:jobs.fifo", "sqs", "jobs.fifo"),
        (f"arn:aws:sns:{PLACE}:alarms", "sns", "alarms"),
        (f"arn:aws:sns:{PLACE}:alarms:6b0e71bd-7e97-4d97-80ce-4a0994e55286", "sns", "alarms"),
        (f"arn:aws:dynamodb:{PLACE}:table/orders", "dynamodb", "orders"),
        (f"arn:aws:dynamodb:{PLACE}:table/orders/stream/2026-05-28T00:00:00.000", "dynamodb", "orders"),
        (f"arn:aws:dynamodb:{PLACE}:table/orders/index/by-day", "dynamodb", "orders"),
        (f"arn:aws:kinesis:{PLACE}:stream/clicks", "kinesis", "clicks"),
        (f"arn:aws:kinesis:{PLACE}:stream/clicks/consumer/me:1580000000", "kinesis", "clicks"),
        (f"arn:aws:kafka:{PLACE}:cluster/events/6b0e71bd-7e97-4d97-80ce-4a0994e55286-4", "kafka", "events"),
        (f"arn:aws:firehose:{PLACE}:deliverystream/logs", "firehose", "logs"),
        (f"arn:aws:lambda:{PLACE}:function:thumb", "lambda", "thumb"),
        (f"arn:aws:lambda:{PLACE}:function:thumb:live", "lambda", "thumb"),
        (f"arn:aws:events:{PLACE}:rule/nightly", "eventbridge", "nightly"),
        (f"arn:aws:events:{PLACE}:rule/orders/placed", "eventbridge", "orders/placed"),
        (f"arn:aws:events:{PLACE}:event-bus/orders", "eventbridge", "orders"),
        (f"arn:aws:states:{PLACE}:stateMachine:flow", "stepfunctions", "flow"),
        (f"arn:aws:states:{PLACE}:stateMachine:flow:3", "stepfunctions", "flow"),
        (f"arn:aws:states:{PLACE}:execution:flow:6b0e71bd", "stepfunctions", "flow"),
        (f"arn:aws:secretsmanager:{PLACE}:secret:prod/db-AbC123", "secretsmanager", "prod/db"),
        (f"arn:aws:ssm:{PLACE}:parameter/prod/db", "ssm", "prod/db"),
        (f"arn:aws:execute-api:{PLACE}:a1b2c3/prod/GET/orders", "apigateway", "a1b2c3"),
        ("arn:aws:apigateway:eu-west-1::/restapis/a1b2c3/stages/prod", "apigateway", "a1b2c3"),
        (f"arn:aws:elasticloadbalancing:{PLACE}:targetgroup/web/6d0ecf83", "elasticloadbalancing", "web"),
        (f"arn:aws:elasticloadbalancing:{PLACE}:loadbalancer/app/web/50dc6c", "elasticloadbalancing", "web"),
        (f"arn:aws:logs:{PLACE}:log-group:/aws/lambda/thumb:*", "cloudwatchlogs", "/aws/lambda/thumb"),
        (f"arn:aws-cn:sqs:{PLACE}:jobs", "sqs", "jobs"),
        (f"arn:aws:ses:{PLACE}:identity/example.com", "ses", "identity/example.com"),
        (f"arn:aws:scheduler:{PLACE}:schedule/default/nightly", "scheduler", "nightly"),
        (f"arn:aws:cognito-idp:{PLACE}:userpool/eu-west-1_aB3", "cognito", "eu-west-1_aB3"),
        ("arn:aws:cloudfront::123456789012:distribution/E123", "cloudfront", "E123"),
        (f"arn:aws:appsync:{PLACE}:apis/gql", "appsync", "gql"),
        (f"arn:aws:vpc-lattice:{PLACE}:service/svc-1", "vpc-lattice", "svc-1"),
        (f"arn:aws:rds:{PLACE}:cluster:people", "rds", "people"),
        (f"arn:aws:rds:{PLACE}:db:people-1", "rds", "people-1"),
        (f"arn:aws:cloudformation:{PLACE}:stack/shop/6b0e71bd", "cloudformation", "shop"),
        (f"arn:aws:cloudwatch:{PLACE}:alarm:errors", "cloudwatch", "errors"),
        (f"arn:aws:config:{PLACE}:config-rule/config-rule-1", "config", "config-rule-1"),
        (f"arn:aws:connect:{PLACE}:instance/9308", "connect", "9308"),
        (f"arn:aws:s3-object-lambda:{PLACE}:accesspoint/view", "s3-object-lambda", "view"),
        (f"arn:aws:codecommit:{PLACE}:shop", "codecommit", "shop"),
    ],
)
def test_the_name_is_the_one_a_person_gave(text: str, service: str, name: str) -> None:
    """Whatever a service puts around the name in its ARN is left away."""
    arn = parse_arn(text)
    assert arn is not None
    assert (arn.service, resource_name(arn)) == (service, name)


def test_the_parts_of_an_arn() -> None:
    """Region and account are the fourth and fifth part."""
    assert parse_arn(f"arn:aws:sqs:{PLACE}:jobs") == Arn("sqs", "eu-west-1", "123456789012", "jobs")


@pytest.mark.parametrize("text", ["", "uploads", "arn", "arn:aws:s3", "arn:aws::::x", "ARN:aws:s3:::x", ":::::"])
def test_what_is_no_arn_is_none(text: str) -> None:
    """Names and fragments are not mistaken for ARNs."""
    assert parse_arn(text) is None


@given(
    st.sampled_from(
        ["s3", "dynamodb", "lambda", "states", "apigateway", "elasticloadbalancing", "sns", "secretsmanager"]
    ),
    st.text(alphabet=":/-a1", max_size=12),
)
def test_any_resource_has_a_name(service: str, resource: str) -> None:
    """Nothing that may stand in the last part of an ARN raises."""
    arn = parse_arn(f"arn:aws:{service}:::{resource}")
    assert arn is not None
    assert isinstance(resource_name(arn), str)
