"""Lambda's own results, and services that call a function directly."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.tracer.events.names import ACCOUNT, FUNCTION, HOME, REGION, STREAM, encoded

COGNITO = {
    "version": "1",
    "triggerSource": "PostConfirmation_ConfirmSignUp",
    "region": REGION,
    "userPoolId": "eu-west-1_aB3",
    "userName": "ada",
    "request": {"userAttributes": {}},
    "response": {},
}
SES = {
    "Records": [
        {
            "eventSource": "aws:ses",
            "ses": {"mail": {"messageId": "mail1"}, "receipt": {"recipients": ["Ada <ada@Example.com>"]}},
        }
    ]
}


def logs(group: str = "/aws/lambda/thumb", lines: int = 1) -> dict[str, Any]:
    content = {
        "messageType": "DATA_MESSAGE",
        "owner": "210987654321",
        "logGroup": group,
        "logStream": "s",
        "logEvents": [
            {"id": str(n), "timestamp": n, "message": '{"logGroup": "/not/this", "owner": "111111111111"}'}
            for n in range(lines)
        ],
    }
    return {"awslogs": {"data": encoded(gzip.compress(json.dumps(content).encode()))}}


def destination(condition: str = "RetriesExhausted", **more: Any) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": "2026-05-28T10:00:00.000Z",
        "requestContext": {
            "requestId": "i1",
            "functionArn": f"{FUNCTION}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": 3,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        **more,
    }


BATCH_DESTINATION = destination(
    "RetryAttemptsExhausted",
    KinesisBatchInfo={"shardId": "shardId-0", "startSequenceNumber": "490", "batchSize": 1, "streamArn": STREAM},
)


THROTTLED_DESTINATION = {
    **destination("EventAgeExceeded", requestPayload={}),
    "requestContext": {
        "requestId": "i1",
        "functionArn": f"{FUNCTION}:$LATEST",
        "condition": "EventAgeExceeded",
        "approximateInvokeCount": 0,
    },
    "responseContext": {"statusCode": 429},
}


def dead_letter(code: str = "429", message: str = "Rate Exceeded.", request_id: str = "i7") -> dict[str, str]:
    """The attributes that Lambda sets; no code: of a function whose reserved concurrency is 0."""
    return {"RequestID": request_id, **({"ErrorCode": code} if code else {}), "ErrorMessage": message}


def durable(payload: Any = None) -> dict[str, Any]:
    operation = {"Id": "1", "Type": "EXECUTION", "ExecutionDetails": {"InputPayload": json.dumps(payload)}}
    return {
        "DurableExecutionArn": f"{FUNCTION}:3/durable-execution/order-7/9f1c",
        "CheckpointToken": "t",
        "InitialExecutionState": {"Operations": [operation]},
    }


FIREHOSE = {
    "invocationId": "1",
    "deliveryStreamArn": f"arn:aws:firehose:{HOME}:deliverystream/out",
    "sourceKinesisStreamArn": STREAM,
    "region": REGION,
    "records": [
        {"recordId": "1", "data": "e30=", "kinesisRecordMetadata": {"sequenceNumber": "490"}},
        {"recordId": "2", "data": "e30=", "kinesisRecordMetadata": {"sequenceNumber": "491"}},
    ],
}
ALEXA = {
    "version": "1.0",
    "session": {"new": True, "application": {"applicationId": "amzn1.ask.skill.1"}},
    "context": {"System": {"application": {"applicationId": "amzn1.ask.skill.1"}}},
    "request": {"type": "LaunchRequest", "requestId": "amzn1.echo-api.request.1"},
}
SMART_HOME = {"directive": {"header": {"namespace": "Alexa.Discovery", "name": "Discover"}, "payload": {}}}
LEX_1 = {"messageVersion": "1.0", "invocationSource": "DialogCodeHook", "bot": {"name": "Pizza"}, "currentIntent": {}}
LEX_2 = {"messageVersion": "1.0", "invocationSource": "DialogCodeHook", "bot": {"id": "B1", "name": "Pizza"}}
IOT_PRESENCE = {"clientId": "c1", "timestamp": 1, "eventType": "connected", "sessionIdentifier": "s"}
IOT_BUTTON = {"serialNumber": "G030", "batteryVoltage": "1500mV", "clickType": "SINGLE"}
ALARM = {
    "source": "aws.cloudwatch",
    "alarmArn": f"arn:aws:cloudwatch:{HOME}:alarm:errors",
    "alarmData": {"alarmName": "errors"},
}
STACK = f"arn:aws:cloudformation:{HOME}:stack/shop/1"
CUSTOM_RESOURCE = {
    "RequestType": "Create",
    "ServiceToken": FUNCTION,
    "StackId": STACK,
    "RequestId": "1",
    "LogicalResourceId": "Thing",
    "ResourceProperties": {},
}
CODEPIPELINE = {"CodePipeline.job": {"id": "1", "accountId": ACCOUNT, "data": {}}}
CODEDEPLOY = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e"}
CONFIG_RULE = f"arn:aws:config:{HOME}:config-rule/config-rule-1"
CONFIG = {"invokingEvent": "{}", "configRuleArn": CONFIG_RULE, "resultToken": "t"}
SECRET = f"arn:aws:secretsmanager:{HOME}:secret:db-a1b2c3"
ROTATION = {"SecretId": SECRET, "ClientRequestToken": "t", "Step": "createSecret"}
S3_BATCH = {
    "invocationSchemaVersion": "2.0",
    "invocationId": "1",
    "job": {"id": "1"},
    "tasks": [{"taskId": "1", "s3Key": "a", "s3Bucket": "audio"}],
}
ACCESS_POINT = f"arn:aws:s3-object-lambda:{HOME}:accesspoint/view"
OBJECT_LAMBDA = {
    "xAmzRequestId": "1",
    "getObjectContext": {},
    "configuration": {"accessPointArn": ACCESS_POINT},
}
AGENT = {"messageVersion": "1.0", "agent": {"name": "claims", "id": "8Z"}, "actionGroup": "g", "sessionId": "1"}
CONNECT = {
    "Name": "ContactFlowEvent",
    "Details": {"ContactData": {"InstanceARN": f"arn:aws:connect:{HOME}:instance/9308"}, "Parameters": {}},
}
