"""Names for what the store abbreviates: triggers, services, results; and which icon stands for each."""

from __future__ import annotations

from collector.domain.facts import Initialization, IssueKind, Result
from collector.store.queries.common import FunctionRef, ResourceRef

SERVICES = {
    "s3": "S3",
    "sqs": "SQS",
    "sns": "SNS",
    "dynamodb": "DynamoDB",
    "lambda": "Lambda",
    "transcribe": "Transcribe",
    "eventbridge": "EventBridge",
    "events": "EventBridge",
    "kinesis": "Kinesis",
    "firehose": "Firehose",
    "stepfunctions": "Step Functions",
    "states": "Step Functions",
    "sfn": "Step Functions",
    "secretsmanager": "Secrets Manager",
    "ssm": "Systems Manager",
    "kms": "KMS",
    "sts": "STS",
    "ses": "SES",
    "bedrock": "Bedrock",
    "apigateway": "API Gateway",
    "function_url": "Function URL",
    "websocket": "WebSocket",
    "alb": "Load balancer",
    "elasticloadbalancing": "Load balancer",
    "vpclattice": "VPC Lattice",
    "appsync": "AppSync",
    "cloudfront": "CloudFront",
    "http": "HTTP",
    "schedule": "Schedule",
    "scheduler": "EventBridge Scheduler",
    "direct": "Direct invoke",
    "destination": "Lambda destination",
    "durable": "Durable execution",
    "kafka": "Kafka",
    "mq": "Amazon MQ",
    "rabbitmq": "RabbitMQ",
    "activemq": "ActiveMQ",
    "messaging": "Messaging",
    "datasource": "Data source",
    "documentdb": "DocumentDB",
    "cognito": "Cognito",
    "iot": "IoT",
    "alexa": "Alexa",
    "lex": "Lex",
    "connect": "Connect",
    "polly": "Polly",
    "cloudwatch": "CloudWatch",
    "cloudformation": "CloudFormation",
    "codecommit": "CodeCommit",
    "codepipeline": "CodePipeline",
    "codedeploy": "CodeDeploy",
    "config": "Config",
    "s3batch": "S3 Batch Operations",
    "s3objectlambda": "S3 Object Lambda",
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "redis": "Redis",
    "mongodb": "MongoDB",
    "rds": "RDS",
    "logs": "CloudWatch Logs",
    "cloudwatchlogs": "CloudWatch Logs",
}

# Which drawing of static/icons.svg stands for a service.
ICONS = {
    "lambda": "function",
    "s3": "bucket",
    "s3batch": "bucket",
    "s3objectlambda": "bucket",
    "sqs": "queue",
    "mq": "queue",
    "rabbitmq": "queue",
    "activemq": "queue",
    "messaging": "queue",
    "sns": "topic",
    "dynamodb": "table",
    "kinesis": "stream",
    "firehose": "stream",
    "kafka": "stream",
    "eventbridge": "bus",
    "events": "bus",
    "transcribe": "voice",
    "polly": "voice",
    "alexa": "voice",
    "lex": "voice",
    "connect": "voice",
    "stepfunctions": "steps",
    "durable": "steps",
    "codepipeline": "steps",
    "states": "steps",
    "sfn": "steps",
    "cognito": "key",
    "secretsmanager": "key",
    "ssm": "key",
    "kms": "key",
    "sts": "key",
    "apigateway": "gateway",
    "function_url": "gateway",
    "websocket": "gateway",
    "alb": "gateway",
    "elasticloadbalancing": "gateway",
    "vpclattice": "gateway",
    "appsync": "gateway",
    "http": "globe",
    "cloudfront": "globe",
    "schedule": "clock",
    "scheduler": "clock",
    "destination": "function",
    "direct": "hand",
    "documentdb": "database",
    "postgresql": "database",
    "mysql": "database",
    "redis": "database",
    "mongodb": "database",
    "rds": "database",
    "ses": "mail",
    "bedrock": "spark",
}

RESULTS = {
    Result.OK: "Success",
    Result.ERROR: "Failure",
    Result.TIMEOUT: "Timed out",
    Result.RUNNING: "Running",
    Result.CRASHED: "Crashed",
    Result.INIT_FAILED: "Init failed",
    Result.OUT_OF_MEMORY: "Out of memory",
    Result.HANDLED: "Handled error",
}
# Beside cold starts. Icon, name, explanation.
STARTS: dict[Initialization | None, tuple[str, str, str]] = {
    Initialization.PROVISIONED: (
        "ready",
        "provisioned",
        "First invocation of an environment of provisioned concurrency: it was started ahead, nobody waited",
    ),
    Initialization.SNAP_START: (
        "camera",
        "restored",
        "First invocation of an environment that SnapStart restored from a snapshot",
    ),
    Initialization.PROACTIVE: (
        "ready",
        "started ahead",
        "First invocation of an environment that Lambda had started long before: nobody waited",
    ),
}
TONES = {
    Result.OK: "ok",
    Result.TIMEOUT: "timeout",
    Result.RUNNING: "running",
    Result.OUT_OF_MEMORY: "memory",
    Result.HANDLED: "handled",
}
# What issues of a kind are, where it is not the failure of an invocation. A name, and an explanation.
KINDS: dict[IssueKind, tuple[str, str]] = {
    IssueKind.FAILURE: ("Failure", "Invocations failed with it"),
    IssueKind.TIMEOUT: ("Timeout", "Invocations reached their time limit"),
    IssueKind.OUT_OF_MEMORY: ("Out of memory", "The process was ended because its memory was used up"),
    IssueKind.CRASH: ("Crash", "The process ended before the handler did"),
    IssueKind.HANDLED: (
        "Handled error",
        "The handler answered 5xx, or gave records back, and returned: its invocations did not fail by it",
    ),
    IssueKind.CALL: ("Failed call", "A call failed, and the handler went on: its invocations did not fail by it"),
    IssueKind.THROTTLED: ("Throttled", "Somebody invoked the function, and Lambda refused. No invocation came of it"),
    IssueKind.NEAR_TIMEOUT: ("Near timeout", "Invocations took nearly as long as they may, and ended well"),
    IssueKind.NEAR_MEMORY: ("Near memory limit", "Invocations used nearly all of their memory, and ended well"),
    IssueKind.REPORTED: (
        "Reported",
        "The function said so itself (clew.issue) and went on: its invocations did not fail by it",
    ),
}
_KIND_TONES = {
    IssueKind.TIMEOUT: "timeout",
    IssueKind.OUT_OF_MEMORY: "memory",
    IssueKind.HANDLED: "handled",
    IssueKind.CALL: "handled",
    IssueKind.THROTTLED: "handled",
    IssueKind.NEAR_TIMEOUT: "near",
    IssueKind.NEAR_MEMORY: "near",
    IssueKind.REPORTED: "reported",
}
TIMEOUTS = frozenset({"timeout", "sandbox.timedout", "timed out"})
MEMORY = frozenset({"outofmemory", "memoryerror", "runtime.outofmemory", "out of memory"})


def service_name(service: str) -> str:
    return SERVICES.get(service.lower(), service)


def service_icon(service: str) -> str:
    return ICONS.get(service.lower(), "cloud")


def trigger_name(trigger: str, kind: str = "lambda") -> str:
    """`kind` is that of the function: what nobody invokes, as a service's own job, is not invoked directly."""
    if trigger == "direct" and kind == "service":
        return "Started by itself"
    return service_name(trigger) if trigger else "Unknown trigger"


def resource_name(resource: ResourceRef) -> str:
    """The resource's own name; the service's where it has none."""
    return resource.name or service_name(resource.service)


def function_icon(function: FunctionRef) -> str:
    return "function" if function.kind == "lambda" else "service"


def issue_tone(type: str) -> str:
    """Which colour and sign an issue's label has."""
    lowered = type.lower()
    if lowered in TIMEOUTS:
        return "timeout"
    return "memory" if lowered in MEMORY else "error"


def kind_tone(kind: IssueKind, type: str) -> str:
    """The same of an issue whose kind is known."""
    return _KIND_TONES.get(kind) or issue_tone(type)


def kind_words(kind: IssueKind) -> tuple[str, str]:
    """Name and explanation."""
    return KINDS[kind]


def start_words(initialization: Initialization | None, *, cold: bool) -> tuple[str, str, str]:
    """Icon, name and explanation of how an invocation's environment came to be; empty where it had run before."""
    if cold:
        return "snowflake", "cold start", "The environment had to be started first, and the caller waited for it"
    return STARTS.get(initialization, ("", "", ""))


def failure_name(type: str, result: Result) -> str:
    """What a failure that the platform tells of is called at the head of a page."""
    if issue_tone(type) == "memory":
        return "Out of memory"
    return {Result.CRASHED: "Crashed", Result.TIMEOUT: "Timed out"}.get(result, type)


def result_name(result: Result) -> str:
    return RESULTS[result]


def result_tone(result: Result) -> str:
    return TONES.get(result, "error")


def brief(text: str, length: int = 80) -> str:
    """A name of any length for a place that holds so many letters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
