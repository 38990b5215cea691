"""Events as the services send them, shortened to what tells them apart and what the tracer reads."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

REGION = "eu-west-1"
ACCOUNT = "123456789012"
HOME = f"{REGION}:{ACCOUNT}"
TOPIC = f"arn:aws:sns:{HOME}:orders"
QUEUE = f"arn:aws:sqs:{HOME}:orders"
STREAM = f"arn:aws:kinesis:{HOME}:stream/clicks"
TABLE = f"arn:aws:dynamodb:{HOME}:table/orders"
FUNCTION = f"arn:aws:lambda:{HOME}:function:thumb"
EXECUTION = f"arn:aws:states:{HOME}:execution:checkout:run-1"
MACHINE = f"arn:aws:states:{HOME}:stateMachine:checkout"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def encoded(value: Any) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


def numbers(text: str) -> list[int]:
    """As Java lists the bytes of a Kafka header."""
    return [byte - 256 if byte > 127 else byte for byte in text.encode()]


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
HEADERS = {"Host": "api.example.com:443", "User-Agent": "curl/8", "X-Forwarded-Proto": "https", "traceparent": PARENT}
MULTI_HEADERS = {name: ["ignored", value] for name, value in HEADERS.items()}
REST = {
    "resource": "/pets/{id}",
    "path": "/pets/7",
    "httpMethod": "GET",
    "headers": HEADERS,
    "multiValueHeaders": MULTI_HEADERS,
    "requestContext": {
        "apiId": "abc",
        "stage": "prod",
        "requestId": "r1",
        "accountId": ACCOUNT,
        "domainName": "api.example.com",
    },
}
HTTP = {
    "version": "2.0",
    "routeKey": "POST /pets/{id}",
    "rawPath": "/pets/7",
    "headers": {name.lower(): value for name, value in HEADERS.items()},
    "requestContext": {
        "apiId": "abc",
        "stage": "$default",
        "requestId": "r2",
        "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
        "http": {"method": "POST", "path": "/pets/7", "userAgent": "curl/8"},
    },
}
FUNCTION_URL = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/pets",
    "requestContext": {
        "apiId": "xyz",
        "stage": "$default",
        "requestId": "r3",
        "domainName": "xyz.lambda-url.eu-west-1.on.aws",
        "http": {"method": "GET", "path": "/pets"},
    },
}
WEBSOCKET = {
    "body": "{}",
    "requestContext": {
        "routeKey": "move",
        "eventType": "MESSAGE",
        "connectionId": "L0SM9cOFvHcCIhw=",
        "messageId": "L0SM9",
        "apiId": "abc",
        "stage": "prod",
        "requestId": "r4",
        "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
    },
}
GROUP = f"arn:aws:elasticloadbalancing:{HOME}:targetgroup/web/6d0ecf831eec9f09"
BALANCER = {
    "requestContext": {"elb": {"targetGroupArn": GROUP}},
    "httpMethod": "GET",
    "path": "/pets",
    "headers": HEADERS,
}
BALANCER_MULTI = {
    "requestContext": {"elb": {"targetGroupArn": GROUP}},
    "httpMethod": "GET",
    "path": "/pets",
    "multiValueHeaders": MULTI_HEADERS,
}
LATTICE = {
    "version": "2.0",
    "method": "GET",
    "path": "/pets/?page=2",
    "headers": {"host": ["pets.example.com"], "traceparent": [PARENT]},
    "requestContext": {
        "serviceNetworkArn": f"arn:aws:vpc-lattice:{HOME}:servicenetwork/sn-1",
        "serviceArn": f"arn:aws:vpc-lattice:{HOME}:service/svc-1",
    },
}
LATTICE_1 = {
    "raw_path": "/pets?page=2",
    "method": "GET",
    "headers": {"host": "pets.example.com"},
    "query_string_parameters": {"page": "2"},
}
TOKEN_AUTHORIZER = {
    "type": "TOKEN",
    "authorizationToken": "allow",
    "methodArn": f"arn:aws:execute-api:{HOME}:abc/prod/GET/pets",
}
EDGE = {
    "Records": [
        {
            "cf": {
                "config": {"distributionId": "E123", "eventType": "viewer-request", "requestId": "q1"},
                "request": {
                    "method": "GET",
                    "uri": "/pets",
                    "headers": {
                        "host": [{"key": "Host", "value": "d1.cloudfront.net"}],
                        "traceparent": [{"key": "Traceparent", "value": PARENT}],
                    },
                },
            }
        }
    ]
}
RESOLVER = {
    "arguments": {"id": "7"},
    "identity": None,
    "source": None,
    "request": {"headers": {"host": "abc.appsync-api.eu-west-1.amazonaws.com", "traceparent": PARENT}},
    "info": {"fieldName": "pet", "parentTypeName": "Query", "variables": {}},
    "stash": {},
}
CHANNEL = {
    "identity": None,
    "request": {"headers": {"host": "abc.appsync-api.eu-west-1.amazonaws.com"}, "domainName": "events.example.com"},
    "info": {"channel": {"path": "/pets/7"}, "operation": "PUBLISH"},
    "events": [{"id": "1", "payload": {}}],
}
APPSYNC_AUTHORIZER = {
    "authorizationToken": "secret",
    "requestContext": {"apiId": "gql", "accountId": ACCOUNT, "requestId": "r5", "queryString": "query Pets { pets }"},
    "requestHeaders": {"traceparent": PARENT},
}
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
