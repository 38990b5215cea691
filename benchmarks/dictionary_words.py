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
# Further operations that functions call often; named, without what they are given.
OPERATIONS = (
    "Athena.StartQueryExecution",
    "Bedrock Runtime.InvokeModel",
    "CloudWatch.PutMetricData",
    "Cognito Identity Provider.AdminGetUser",
    "Comprehend.DetectSentiment",
    "EC2.DescribeInstances",
    "ECS.RunTask",
    "Firehose.PutRecordBatch",
    "KMS.Decrypt",
    "KMS.GenerateDataKey",
    "Kinesis.PutRecords",
    "Polly.SynthesizeSpeech",
    "RDS Data.ExecuteStatement",
    "Rekognition.DetectLabels",
    "SES.SendEmail",
    "SFN.SendTaskSuccess",
    "STS.AssumeRole",
    "STS.GetCallerIdentity",
    "Textract.StartDocumentAnalysis",
    "Transcribe.StartTranscriptionJob",
    "Translate.TranslateText",
    "S3.CopyObject",
    "S3.DeleteObject",
    "S3.HeadObject",
    "S3.ListObjectsV2",
    "SNS.PublishBatch",
    "SQS.ReceiveMessage",
    "SQS.SendMessageBatch",
    "SQS.DeleteMessage",
    "DynamoDB.BatchGetItem",
    "DynamoDB.BatchWriteItem",
    "DynamoDB.DeleteItem",
    "DynamoDB.Query",
    "DynamoDB.Scan",
    "DynamoDB.TransactWriteItems",
    "DynamoDB.UpdateItem",
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
# What OpenTelemetry's SDKs and Lambda layers say: of their process, then of spans of several kinds.
OTHERS: Sequence[Mapping[str, object]] = (
    {
        "telemetry.sdk.language": "nodejs",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.30.1",
        "host.name": "ip-10-0-0-1",
        "os.type": "linux",
        "process.pid": 1,
        "process.executable.name": "node",
        "process.command_args": ["/opt/wrapper"],
        "process.runtime.name": "nodejs",
        "process.runtime.version": "22.1.0",
        "faas.id": "",
        "service.name": "service",
    },
    {
        "http.url": "https://",
        "http.host": "",
        "http.method": "GET",
        "http.target": "/",
        "http.status_code": 200,
        "net.peer.name": "",
        "http.flavor": "1.1",
        "net.transport": "ip_tcp",
    },
    {
        "http.request.method": "POST",
        "url.full": "https://",
        "server.address": "",
        "server.port": 443,
        "http.response.status_code": 200,
        "user_agent.original": "",
        "network.peer.address": "",
        "network.protocol.version": "1.1",
    },
    {
        "db.system.name": "postgresql",
        "db.system": "postgresql",
        "db.namespace": "",
        "db.query.text": "SELECT  FROM  WHERE  = $1",
        "db.statement": "INSERT INTO",
        "db.operation.name": "SELECT",
        "net.peer.port": 5432,
    },
    {
        "messaging.system": "aws_sqs",
        "messaging.destination.name": "",
        "messaging.operation.type": "receive",
        "messaging.message.id": "",
        "messaging.batch.message_count": 1,
    },
    {
        "rpc.system": "aws-api",
        "rpc.service": "S3",
        "rpc.method": "GetObject",
        "aws.region": REGION,
        "aws.request_id": REQUEST_ID,
        "http.status_code": 200,
        "retry_attempts": 0,
    },
)
