"""The beginning of a function's or an external extension's source: a client of the Extensions API."""

CLIENT = """
import http.client, json, os

class Api:
    def __init__(self):
        self.connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        self.headers = {}

    def ask(self, method, path, body=None, **headers):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        self.connection.request(method, path, data, {**self.headers, **headers})
        answer = self.connection.getresponse()
        content = answer.read()
        return answer.status, answer.headers, json.loads(content) if content else None

    def register(self, name, events=("INVOKE",), **headers):
        body = {"events": list(events)}
        status, answered, document = self.ask(
            "POST", "/2020-01-01/extension/register", body, **{"Lambda-Extension-Name": name, **headers}
        )
        if status == 200:
            self.headers = {"Lambda-Extension-Identifier": answered["Lambda-Extension-Identifier"]}
        return status, document

    def next(self):
        return self.ask("GET", "/2020-01-01/extension/event/next")[2]

    def fail(self, kind, error_type):
        headers = {"Lambda-Extension-Function-Error-Type": error_type} if error_type else {}
        return self.ask("POST", f"/2020-01-01/extension/{kind}/error", {"errorMessage": "x"}, **headers)

    def subscribe(self, port, types=("platform",), version="2025-01-29", host="sandbox.localdomain"):
        return self.ask("PUT", "/2022-07-01/telemetry", {
            "schemaVersion": version,
            "types": list(types),
            "buffering": {"timeoutMs": 25},
            "destination": {"protocol": "HTTP", "URI": f"http://{host}:{port}"},
        })
"""
