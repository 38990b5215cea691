"""Requests: API Gateway, function URLs, load balancers, CloudFront and AppSync."""

from __future__ import annotations

from tests.tracer.events.names import ACCOUNT, HOME, PARENT

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
