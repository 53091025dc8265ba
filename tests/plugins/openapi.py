"""A service made from its OpenAPI description: it holds each request against the description and answers with the example there."""

import http.server
import json
import re
import threading
import urllib.parse

import jsonschema


class Description:
    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver("", document)
        self.routes = []
        for path, item in document["paths"].items():
            # A parameter takes one segment, but for those that are paths themselves.
            pattern = re.sub(r"\\\{(path|basehead)\\\}", r"(?P<\1>.+)", re.escape(path))
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern)
            self.routes.append((re.compile(pattern + "$"), path.count("{"), path, item))
        self.routes.sort(key=lambda route: route[1])

    def at(self, value):
        while isinstance(value, dict) and "$ref" in value:
            value = self.resolver.resolve(value["$ref"])[1]
        return value

    def validate(self, value, schema, where):
        for error in jsonschema.Draft202012Validator(schema, resolver=self.resolver).iter_errors(value):
            yield f"{where}{error.json_path[1:]}: {error.message[:300]}"

    def find(self, method, path):
        for pattern, _, name, item in self.routes:
            match = pattern.match(path)
            if match and method.lower() in item:
                parameters = [self.at(each) for each in item.get("parameters", []) + item[method.lower()].get("parameters", [])]
                return name, item[method.lower()], parameters, match.groupdict()
        return None

    def problems(self, method, target, body):
        """What is wrong with a request, and its operation."""
        url = urllib.parse.urlsplit(target)
        found = self.find(method, url.path)
        if found is None:
            return [f"{method} {url.path} is not described"], None
        name, operation, parameters, in_path = found
        wrong = []
        for parameter in parameters:
            if parameter["in"] == "path":
                value = typed(urllib.parse.unquote(in_path[parameter["name"]]), self.at(parameter["schema"]))
                wrong += self.validate(value, parameter["schema"], f"{name}: {parameter['name']}")
        known = {parameter["name"]: parameter for parameter in parameters if parameter["in"] == "query"}
        for key, value in urllib.parse.parse_qsl(url.query, keep_blank_values=True):
            if key not in known:
                wrong.append(f"{name}: there is no parameter {key}")
            else:
                wrong += self.validate(typed(value, self.at(known[key]["schema"])), known[key]["schema"], f"{name}: {key}")
        given = {key for key, _ in urllib.parse.parse_qsl(url.query)}
        wrong += [f"{name}: parameter {key} is missing" for key, parameter in known.items() if parameter.get("required") and key not in given]
        described = self.at(operation.get("requestBody"))
        if body is not None and described is None:
            wrong.append(f"{name}: a body is not described")
        elif body is not None:
            schema = described["content"]["application/json"]["schema"]
            wrong += self.validate(body, schema, f"{name}: body")
            properties = self.properties(schema)
            wrong += [f"{name}: body has no member {key}" for key in body if properties and key not in properties]
        elif described is not None and described.get("required"):
            wrong.append(f"{name}: the body is missing")
        return wrong, operation

    def properties(self, schema):
        schema = self.at(schema)
        out = set(schema.get("properties", {}))
        for kind in ("oneOf", "anyOf", "allOf"):
            for part in schema.get(kind, []):
                out |= self.properties(part)
        return out

    def answer(self, operation):
        for status, response in sorted(operation["responses"].items()):
            if not status.startswith("2"):
                continue
            content = next((part for media, part in self.at(response).get("content", {}).items() if "json" in media), None)
            if content is None:
                return int(status), None
            examples = content.get("examples") or {}
            if examples:
                value = self.at(next(iter(examples.values())))
                while isinstance(value, dict) and "value" in value and all(
                        key in ("summary", "description", "value") or key.startswith("x-") for key in value):
                    value = self.at(value["value"])  # which may refer to an example again
                return int(status), value
            return int(status), content.get("example") if "example" in content else self.made_of(content.get("schema", {}))
        return 204, None

    def made_of(self, schema, depth=0):
        """A value of the schema, where there is no example."""
        schema = self.at(schema)
        for kind in ("oneOf", "anyOf", "allOf"):
            if kind in schema:
                return self.made_of(schema[kind][0], depth)
        if "example" in schema:
            return schema["example"]
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if kind == "object":
            return {} if depth > 4 else {name: self.made_of(part, depth + 1) for name, part in schema.get("properties", {}).items()}
        if kind == "array":
            return [] if depth > 4 else [self.made_of(schema.get("items", {}), depth + 1)]
        return {"integer": 1, "number": 1, "boolean": True}.get(kind, "text")


def typed(text, schema):
    """A text of a path or a query as the schema means it."""
    kinds = [part.get("type") for part in schema.get("oneOf", schema.get("anyOf", [schema]))]
    if "integer" in kinds and re.fullmatch(r"-?\d+", text):
        return int(text)
    if "boolean" in kinds and text in ("true", "false"):
        return text == "true"
    if kinds == ["array"]:
        return text.split(",")
    return text


class StandIn(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, description, prefix=""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.description, self.prefix, self.seen, self.wrong = description, prefix, [], []
        self.url = f"http://127.0.0.1:{self.server_address[1]}{prefix}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        path = self.path.removeprefix(server.prefix)
        wrong, operation = server.description.problems(self.command, path, json.loads(text) if text else None)
        server.seen.append(f"{self.command} {path}")
        server.wrong += [f"{self.command} {path}: {problem}" for problem in wrong]
        status, value = (422, {"message": "; ".join(wrong)}) if wrong else server.description.answer(operation)
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if status != 204 else b"")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        pass
