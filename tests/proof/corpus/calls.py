# mypy: ignore-errors
"""Calls of AWS, made with boto3 to an emulated one."""

import concurrent.futures
import io
import json
import os
import random
import urllib.parse

import boto3
from boto3.dynamodb.conditions import Attr, Key
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

_ADDRESS = {"endpoint_url": os.environ["AWS_ADDRESS"]}
_s3 = boto3.client("s3", **_ADDRESS)


def _made(service, **more):
    return boto3.client(service, **_ADDRESS, **more)


def _without_metadata(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def s3_objects(event, context):
    _s3.create_bucket(Bucket="orders", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    put = _s3.put_object(
        Bucket="orders", Key="a b/ä+.txt", Body=b"x" * 100, Metadata={"a": "b"}, ContentType="text/plain"
    )
    _s3.put_object(Bucket="orders", Key="stream", Body=io.BytesIO(b"streamed"))
    got = _s3.get_object(Bucket="orders", Key="a b/ä+.txt")
    body = got["Body"]
    parts = [body.read(10).decode(), type(body).__name__, len(body.read()), body.read().decode()]
    lines = [line.decode() for line in _s3.get_object(Bucket="orders", Key="stream")["Body"].iter_lines()]
    head = _s3.head_object(Bucket="orders", Key="stream")
    _s3.copy_object(Bucket="orders", Key="copy", CopySource={"Bucket": "orders", "Key": "stream"})
    _s3.delete_objects(Bucket="orders", Delete={"Objects": [{"Key": "copy"}, {"Key": "never"}]})
    return [put["ETag"], parts, lines, head["ContentLength"], got["Metadata"], sorted(put)]


def s3_pages(event, context):
    for n in range(5):
        _s3.put_object(Bucket="orders", Key=f"page/{n}", Body=b"")
    pages = _s3.get_paginator("list_objects_v2").paginate(
        Bucket="orders", Prefix="page/", PaginationConfig={"PageSize": 2}
    )
    return [[item["Key"] for item in page["Contents"]] for page in pages]


def s3_transfers(event, context):
    config = TransferConfig(multipart_threshold=5 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024, max_concurrency=1)
    told = []
    _s3.upload_fileobj(io.BytesIO(b"z" * (6 * 1024 * 1024)), "orders", "large", Config=config, Callback=told.append)
    target = io.BytesIO()
    _s3.download_fileobj("orders", "large", target, Config=TransferConfig(use_threads=False))
    return [sum(told), len(target.getvalue())]


def s3_presigned(event, context):
    address = urllib.parse.urlsplit(_s3.generate_presigned_url("get_object", Params={"Bucket": "orders", "Key": "a"}))
    post = _s3.generate_presigned_post("orders", "b")
    return [address.path, sorted(urllib.parse.parse_qs(address.query)), sorted(post["fields"])]


def s3_errors(event, context):
    told = []
    for call in (
        lambda: _s3.get_object(Bucket="orders", Key="missing"),
        lambda: _s3.head_object(Bucket="orders", Key="missing"),
        lambda: _s3.list_objects_v2(Bucket="nobodys"),
        lambda: _s3.get_object(Bucket="orders"),
        lambda: _s3.put_object(Bucket="orders", Key="k", Body=object()),
        lambda: _s3.nothing(),
    ):
        try:
            call()
        except Exception as error:
            told.append([type(error).__module__, type(error).__name__, str(error)])
    try:
        _s3.get_object(Bucket="orders", Key="missing")
    except _s3.exceptions.NoSuchKey as error:
        told.append(error.response["Error"])
    return told


def s3_uncaught(event, context):
    _s3.get_object(Bucket="orders", Key="missing")


def s3_resource(event, context):
    bucket = boto3.resource("s3", **_ADDRESS).Bucket("orders")
    bucket.put_object(Key="by/resource", Body=b"r")
    found = [summary.key for summary in bucket.objects.filter(Prefix="by/")]
    waiter = _s3.get_waiter("object_exists")
    waiter.wait(Bucket="orders", Key="by/resource")
    return found


def dynamodb(event, context):
    client = _made("dynamodb")
    client.create_table(
        TableName="items",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table = boto3.resource("dynamodb", **_ADDRESS).Table("items")
    item = {"id": "1", "n": 5, "tags": {"a"}, "raw": b"\x00", "list": [1, None, {"a": True}]}
    table.put_item(Item=item)
    with table.batch_writer() as batch:
        for n in range(30):
            batch.put_item(Item={"id": f"b{n}"})
    found = table.query(KeyConditionExpression=Key("id").eq("1"))["Items"]
    table.update_item(Key={"id": "1"}, UpdateExpression="SET n = n + :one", ExpressionAttributeValues={":one": 1})
    scanned = table.scan(FilterExpression=Attr("n").exists(), Select="COUNT")["Count"]
    try:
        table.put_item(Item={"id": "1"}, ConditionExpression=Attr("id").not_exists())
    except client.exceptions.ConditionalCheckFailedException as error:
        failed = str(error)
    return [str(found[0]["n"]), sorted(found[0]), scanned, failed, item["n"], str(item["raw"])]


def queues(event, context):
    sqs = _made("sqs")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    given = {"a": {"DataType": "String", "StringValue": "b"}}
    params = {"QueueUrl": url, "MessageBody": "work", "MessageAttributes": given}
    answer = sqs.send_message(**params)
    entries = [{"Id": str(n), "MessageBody": f"job {n}"} for n in range(3)]
    batch = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    full = {f"a{n}": {"DataType": "String", "StringValue": "b"} for n in range(10)}
    sqs.send_message(QueueUrl=url, MessageBody="full", MessageAttributes=full)
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    for one in received:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    return [
        sorted(answer),
        given,
        sorted(params),
        entries,
        [one["Id"] for one in batch["Successful"]],
        sorted(one["Body"] for one in received),
        answer["MD5OfMessageBody"],
    ]


def topics(event, context):
    sns = _made("sns")
    arn = sns.create_topic(Name="news")["TopicArn"]
    sns.publish(TopicArn=arn, Message="m", Subject="s")
    sns.publish_batch(
        TopicArn=arn, PublishBatchRequestEntries=[{"Id": "1", "Message": "one"}, {"Id": "2", "Message": "two"}]
    )
    try:
        sns.publish(TopicArn=arn + "x", Message="m")
    except ClientError as error:
        return error.response["Error"]["Code"]


def events(event, context):
    client = _made("events")
    entries = [{"Source": "shop", "DetailType": "order", "Detail": json.dumps({"n": 1})}] * 2
    return [client.put_events(Entries=entries)["FailedEntryCount"], entries]


def streams(event, context):
    kinesis = _made("kinesis")
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="clicks")
    kinesis.put_record(StreamName="clicks", Data=b"\x00\x01", PartitionKey="a")
    many = [{"Data": b"x", "PartitionKey": str(n)} for n in range(3)]
    return [kinesis.put_records(StreamName="clicks", Records=many)["FailedRecordCount"], str(many)]


def functions(event, context):
    told = []
    client = _made("lambda")
    for kind in ("RequestResponse", "Event", "DryRun"):
        try:
            client.invoke(FunctionName="nobodys", InvocationType=kind, Payload=json.dumps({"a": 1}))
        except ClientError as error:
            told.append(error.response["Error"])
    return told


def secrets(event, context):
    ssm, manager, sts = _made("ssm"), _made("secretsmanager"), _made("sts")
    ssm.put_parameter(Name="/p", Value="hunter2", Type="SecureString")
    manager.create_secret(Name="s", SecretString="hunter2")
    return [
        ssm.get_parameter(Name="/p", WithDecryption=True)["Parameter"]["Value"] == "hunter2",
        manager.get_secret_value(SecretId="s")["SecretString"] == "hunter2",
        sts.get_caller_identity()["Account"],
    ]


def state_machines(event, context):
    try:
        _made("stepfunctions").start_execution(
            stateMachineArn="arn:aws:states:eu-west-1:123456789012:stateMachine:none", input="{}"
        )
    except ClientError as error:
        return error.response["Error"]["Code"]


def validation(event, context):
    try:
        _made("sqs").send_message(QueueUrl=3)
    except ParamValidationError as error:
        return str(error)


def own_hooks(event, context):
    """The function's own handlers of botocore's events see what they see without us, and change what they change."""
    client = _made("sqs")
    seen = []

    def note(**given):
        seen.append(sorted(given))

    def change(params, **_):
        params["MessageBody"] = "changed"

    def header(request, **_):
        request.headers["X-Own"] = "own"

    client.meta.events.register("provide-client-params.sqs.SendMessage", note)
    client.meta.events.register("before-parameter-build.sqs.SendMessage", change)
    client.meta.events.register("before-sign.sqs.SendMessage", header)
    client.meta.events.register("after-call.sqs.SendMessage", note)
    client.meta.events.register("needs-retry.sqs.SendMessage", note)
    url = client.get_queue_url(QueueName="jobs")["QueueUrl"]
    answer = client.send_message(QueueUrl=url, MessageBody="own")
    return [seen, answer["MD5OfMessageBody"]]


def answered_by_hook(event, context):
    """As a cache or a test helper answers before anything is sent."""
    client = _made("sqs")
    client.meta.events.register(
        "before-call.sqs.ListQueues", lambda **_: (type("R", (), {"status_code": 200})(), {"QueueUrls": ["x"]})
    )
    return _without_metadata(client.list_queues())


def retries(event, context):
    """The way to AWS fails twice, then not: sent three times, each signed anew."""
    client = _made("sqs", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))
    client.meta.events.register(
        "before-send.sqs.*", lambda request, **_: request.headers.__setitem__("X-Fail-Twice", "1")
    )
    random.seed(1)  # by which botocore waits
    url = client.get_queue_url(QueueName="jobs")["QueueUrl"]
    answer = client.send_message(QueueUrl=url, MessageBody="again")
    return answer["ResponseMetadata"]["RetryAttempts"]


def unreachable(event, context):
    client = boto3.client("sqs", endpoint_url="http://127.0.0.1:1", config=Config(retries={"total_max_attempts": 1}))
    try:
        client.list_queues()
    except Exception as error:
        return [type(error).__name__, str(error)]


def threads(event, context):
    def put(n):
        _s3.put_object(Bucket="orders", Key=f"thread/{n}", Body=str(n))
        return n

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return list(pool.map(put, range(4)))


def seeded(event, context):
    """Calls use none of the function's random numbers, beyond botocore's."""
    random.seed(3)
    _s3.list_buckets()
    return random.random()


def clients(event, context):
    client = _made("s3")
    return [
        type(client).__name__,
        type(client).__mro__[1].__name__,
        client.meta.service_model.service_name,
        client.can_paginate("list_objects"),
        str(client.put_object.__name__),
        client.put_object.__doc__[:40],
    ]
