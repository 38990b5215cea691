"""Names for what the store abbreviates: triggers, services, results; and which icon stands for each."""

from __future__ import annotations

from collector.domain.facts import Initialization, Result
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
TONES = {Result.OK: "ok", Result.TIMEOUT: "timeout", Result.RUNNING: "running"}
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
