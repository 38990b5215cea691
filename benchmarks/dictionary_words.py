"""What the compression dictionary is made of: calls and events as AWS documents them, with nothing in their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

REGION, ACCOUNT = "us-east-1", "000000000000"
REQUEST_ID = "00000000-0000-4000-8000-000000000000"
CALLS = (
    (
        "Secrets Manager",
        "GetSecretValue",
        {"SecretId": "name"},
        {"ARN": "arn:aws:secretsmanager:", "SecretString": "****"},
    ),
    (
        "SSM",
        "GetParameter",
        {"Name": "/", "WithDecryption": True},
        {"Parameter": {"Name": "/", "Type": "String", "Value": ""}},
    ),
    (
        "Kinesis",
        "PutRecord",
        {"StreamName": "s", "Data": "", "PartitionKey": "k"},
        {"ShardId": "shardId-000000000000", "SequenceNumber": "4"},
    ),
    (
        "EventBridge",
        "PutEvents",
        {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]},
        {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]},
    ),
    (
        "SFN",
        "StartExecution",
        {"stateMachineArn": "arn:aws:states:", "input": "{}"},
        {"executionArn": "arn:aws:states:", "startDate": ""},
    ),
    ("SNS", "Publish", {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:t", "Message": "{}"}, {"MessageId": REQUEST_ID}),
    (
        "SQS",
        "SendMessage",
        {"QueueUrl": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/q", "MessageBody": "{}"},
        {"MD5OfMessageBody": "", "MessageId": REQUEST_ID},
    ),
    ("Lambda", "Invoke", {"FunctionName": "f", "InvocationType": "Event", "Payload": "{}"}, {"StatusCode": 200}),
    (
        "S3",
        "GetObject",
        {"Bucket": "b", "Key": "k"},
        {"ContentLength": 1, "ContentType": "application/json", "ETag": ""},
    ),
    ("S3", "PutObject", {"Bucket": "b", "Key": "k", "Body": ""}, {"ETag": "", "VersionId": ""}),
    (
        "DynamoDB",
        "GetItem",
        {"TableName": "t", "Key": {"id": {"S": "1"}}},
        {"Item": {"id": {"S": "1"}, "n": {"N": "1"}}},
    ),
    ("DynamoDB", "PutItem", {"TableName": "t", "Item": {"id": {"S": "1"}}}, {"ConsumedCapacity": {"TableName": "t"}}),
)
EVENTS: Sequence[Mapping[str, object]] = (
    {
        "Records": [
            {
                "messageId": REQUEST_ID,
                "receiptHandle": "",
                "body": "{}",
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1"},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:",
                "awsRegion": REGION,
            }
        ]
    },
    {
        "version": "2.0",
        "routeKey": "GET /",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": "Mozilla/5.0",
            "x-forwarded-for": "",
        },
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "a",
            "domainName": f"a.execute-api.{REGION}.amazonaws.com",
            "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": ""},
            "requestId": "",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    },
    {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": "",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": "b", "arn": "arn:aws:s3:::b"},
                    "object": {"key": "k", "size": 1, "eTag": "", "sequencer": ""},
                },
            }
        ]
    },
)
