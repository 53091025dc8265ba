"""The two public hosts of the conformance kit, as far as its scenarios use them: the pet store with its Swagger document,
and basic authentication of httpbin. TLS on port 443, with certificates of a root of their own."""
import base64
import http.server
import json
import os
import ssl
import subprocess
import threading
import urllib.parse

HOSTS = ("petstore.swagger.io", "httpbin.org")
PETS = {1: {"id": 1, "name": "Rex", "status": "available"}, 2: {"id": 2, "name": "Tom", "status": "available"}}


def parameter(name, where, **more):
    return {"name": name, "in": where, "required": True, "type": "string", **more}


DOCUMENT = {
    "swagger": "2.0",
    "info": {"title": "Pets", "version": "1"},
    "host": "petstore.swagger.io",
    "basePath": "/v2",
    "schemes": ["https", "http"],
    "produces": ["application/json"],
    "paths": {
        "/pet/findByStatus": {"get": {
            "operationId": "findPetsByStatus",
            "parameters": [parameter("status", "query", type="array", items={"type": "string"}, collectionFormat="multi")],
            "responses": {"200": {"description": "pets"}}}},
        "/pet/{petId}": {"get": {
            "operationId": "getPetById",
            "parameters": [parameter("petId", "path", type="integer")],
            "responses": {"200": {"description": "a pet"}, "404": {"description": "none"}}}},
    },
}


def answer(host, target, authorization):
    """Status, headers and body. The seven routes that the kit needs; anything else is not there."""
    url = urllib.parse.urlsplit(target)
    parts = [urllib.parse.unquote(part) for part in url.path.strip("/").split("/")]
    if host == "httpbin.org" and parts[0] == "basic-auth" and len(parts) == 3:
        expected = "Basic " + base64.b64encode(f"{parts[1]}:{parts[2]}".encode()).decode()
        if authorization == expected:
            return 200, {}, {"authenticated": True, "user": parts[1]}
        return 401, {"WWW-Authenticate": 'Basic realm="kit"'}, None
    if host == "petstore.swagger.io" and parts[0] == "v2":
        if parts[1:] == ["swagger.json"]:
            return 200, {}, DOCUMENT
        if parts[1:] == ["pet", "findByStatus"]:
            wanted = urllib.parse.parse_qs(url.query).get("status", [])
            return 200, {}, [pet for pet in PETS.values() if pet["status"] in wanted]
        if len(parts) == 3 and parts[1] == "pet" and parts[2].isdigit() and int(parts[2]) in PETS:
            return 200, {}, PETS[int(parts[2])]
        if len(parts) >= 3 and parts[1] == "pet":
            return 404, {}, {"code": 1, "type": "error", "message": "Pet not found"}
    return 404, {}, {"message": "no such route"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = []
    keys = set()  # the idempotency keys of all requests

    def do_GET(self):
        host = self.headers.get("Host", "").split(":")[0]
        status, headers, content = answer(host, self.path, self.headers.get("Authorization"))
        self.seen.append((host, self.path, status))
        self.keys.add(self.headers.get("Idempotency-Key"))
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def make_certificates(folder):
    """root.pem, which a client trusts, and host.pem with host.key, which the server shows."""
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=conformance kit root", "-keyout", "root.key", "-out", "root.pem")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=" + HOSTS[0], "-keyout", "host.key", "-out", "host.csr")
    with open(os.path.join(folder, "names"), "w") as names:
        names.write("subjectAltName=" + ",".join("DNS:" + host for host in HOSTS) + "\n")
    openssl(folder, "x509", "-req", "-in", "host.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "host.pem")


def serve(folder, port=443):
    make_certificates(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "host.pem"), os.path.join(folder, "host.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
