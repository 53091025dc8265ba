#include "kernel/effects/openapi.hpp"

#include <gtest/gtest.h>

#include "kernel/json/parse.hpp"

namespace trv::effects {
namespace {

constexpr std::string_view address = "https://api.example.com/docs/openapi.json";

constexpr std::string_view swagger = R"({
  "swagger": "2.0", "host": "pets.example.com", "basePath": "/v2", "schemes": ["http", "https"],
  "produces": ["application/json"],
  "parameters": {"limit": {"name": "limit", "in": "query", "type": "integer", "required": true, "default": 10}},
  "paths": {
    "/pet/find": {"get": {"operationId": "find", "parameters": [
      {"name": "status", "in": "query", "required": true, "type": "array", "collectionFormat": "multi"},
      {"name": "tags", "in": "query", "type": "array"}, {"$ref": "#/parameters/limit"}]}},
    "/pet/{id}": {
      "parameters": [{"name": "id", "in": "path", "required": true, "type": "integer"}],
      "get": {"operationId": "get", "parameters": [{"name": "X-Trace", "in": "header", "type": "string"}]},
      "post": {"operationId": "update", "consumes": ["application/x-www-form-urlencoded"], "parameters": [
        {"name": "name", "in": "formData", "type": "string", "required": true},
        {"name": "status", "in": "formData", "type": "string"}]}},
    "/pet": {"put": {"operationId": "put", "consumes": ["application/xml", "application/json"],
      "parameters": [{"name": "pet", "in": "body", "required": true}]}},
    "/image": {"post": {"operationId": "upload", "consumes": ["multipart/form-data"],
      "parameters": [{"name": "file", "in": "formData", "type": "file", "required": true}]}}
  }})";

constexpr std::string_view three = R"(
openapi: 3.1.0
servers: [{url: '/{version}/', variables: {version: {default: v3}}}]
components:
  parameters:
    Id: {name: id, in: path, required: true, schema: {type: string}}
  requestBodies:
    Pet: {required: true, content: {application/json: {}}}
paths:
  /pets/{id}/toys:
    parameters: [{$ref: '#/components/parameters/Id'}]
    get:
      operationId: toys
      parameters:
        - {name: kind, in: query, schema: {type: array}}
        - {name: flat, in: query, explode: false, schema: {type: array}}
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
        - {name: X-Sizes, in: header, schema: {type: array}}
        - {name: session, in: cookie, schema: {type: string}}
      responses: {'200': {content: {application/json: {}}}}
    post:
      operationId: addToy
      requestBody: {$ref: '#/components/requestBodies/Pet'}
  /absolute:
    servers: [{url: 'https://other.example.com/base'}]
    get: {operationId: elsewhere}
  /broken:
    get: {operationId: broken, parameters: [{$ref: 'other.yaml#/a'}]}
)";

/// "METHOD url [header: value]… [body]", or the error.
std::string request(std::string_view document, std::string_view operation, std::string_view parameters) {
  const auto read = read_openapi_document(address, document);
  if (!read) return read.error().message();
  const auto made = openapi_request(*read, {address, operation, *json::parse(parameters)});
  if (!made) return made.error().message();
  std::string out = made->method + ' ' + made->url;
  for (const egress::Header& header : made->headers) out += " [" + header.name + ": " + header.value + ']';
  return made->body.empty() ? out : out + ' ' + made->body;
}

TEST(OpenApi, an_operation_of_swagger_is_a_request) {
  EXPECT_EQ(
      request(swagger, "find", R"({"status":["a b","c"],"tags":["x","y"]})"),
      "GET https://pets.example.com/v2/pet/find?status=a%20b&status=c&tags=x,y&limit=10 [Accept: application/json]");
  EXPECT_EQ(request(swagger, "find", R"({"status":"sold","limit":3})"),
            "GET https://pets.example.com/v2/pet/find?status=sold&limit=3 [Accept: application/json]");
  EXPECT_EQ(request(swagger, "get", R"({"id":7,"X-Trace":"t"})"),
            "GET https://pets.example.com/v2/pet/7 [X-Trace: t] [Accept: application/json]");
  EXPECT_EQ(request(swagger, "get", R"({"id":"../admin?x"})"),
            "GET https://pets.example.com/v2/pet/..%2Fadmin%3Fx [Accept: application/json]");
  EXPECT_EQ(request(swagger, "update", R"({"id":7,"name":"R & x"})"),
            "POST https://pets.example.com/v2/pet/7 [Content-Type: application/x-www-form-urlencoded] "
            "[Accept: application/json] name=R%20%26%20x");
  EXPECT_EQ(
      request(swagger, "put", R"({"pet":{"id":1}})"),
      R"(PUT https://pets.example.com/v2/pet [Content-Type: application/json] [Accept: application/json] {"id":1})");
}

TEST(OpenApi, an_operation_of_openapi_3_is_a_request) {
  EXPECT_EQ(
      request(three, "toys", R"({"id":"a/b","kind":["x","y"],"flat":[1,2],"filter":{"n":1},"X-Sizes":["s","m"]})"),
      "GET https://api.example.com/v3/pets/a%2Fb/toys?kind=x&kind=y&flat=1,2&filter%5Bn%5D=1 [X-Sizes: s,m] "
      "[Accept: application/json]");
  EXPECT_EQ(request(three, "addToy", R"({"id":"1","body":{"a":[]}})"),
            R"(POST https://api.example.com/v3/pets/1/toys [Content-Type: application/json] {"a":[]})");
  EXPECT_EQ(request(three, "elsewhere", "{}"), "GET https://other.example.com/base/absolute");
}

TEST(OpenApi, what_is_wrong_is_named_with_document_and_operation) {
  const std::string document = "the OpenAPI document https://api.example.com/docs/openapi.json ";
  const auto operation = [](std::string_view id) {
    return "the operation '" + std::string(id) + "' of https://api.example.com/docs/openapi.json ";
  };
  EXPECT_EQ(request(swagger, "fnd", "{}"), document + "has no operation 'fnd'; did you mean 'find'?");
  EXPECT_EQ(request(swagger, "get", "{}"), operation("get") + "needs 'id' (path); write it under 'parameters'");
  EXPECT_EQ(request(swagger, "update", "{}"),
            operation("update") + "needs 'name' (formData), 'id' (path); write it under 'parameters'");
  EXPECT_EQ(request(swagger, "find", R"({"status":"a","tag":1})"),
            operation("find") + "has no parameter 'tag'; did you mean 'tags'?");
  EXPECT_EQ(request(three, "addToy", R"({"id":1})"),
            operation("addToy") + "needs 'body' (the request's body); write it under 'parameters'");
  EXPECT_EQ(request(swagger, "get", R"({"id":""})"),
            operation("get") + "has the parameter 'id' in its path, and its value is empty");
  EXPECT_EQ(request(swagger, "upload", R"({"file":"x"})"),
            operation("upload") + "takes the file 'file', and forms with files are not supported");
  EXPECT_EQ(request(three, "toys", R"({"id":1,"session":"s"})"),
            operation("toys") + "has the parameter 'session' in 'cookie', which is not supported");
  EXPECT_EQ(request(three, "broken", "{}"),
            operation("broken") + "has a parameter that refers to 'other.yaml#/a', which is not in the document");
  EXPECT_EQ(request(R"({"openapi": "4.0"})", "a", "{}"),
            document + "says neither 'swagger: \"2.0\"' nor 'openapi: 3.0' or 'openapi: 3.1'");
  EXPECT_EQ(request(R"({"openapi": "3.0.1"})", "a", "{}"), document + "has no 'paths'");
  EXPECT_TRUE(request(R"({"openapi")", "a", "{}").starts_with(document + "is not JSON: "));
  EXPECT_EQ(request("<html>", "a", "{}"), document + "is not an object");
}

TEST(OpenApi, references_that_turn_in_a_circle_end) {
  EXPECT_EQ(request(R"({"openapi":"3.0.0","components":{"parameters":{"a":{"$ref":"#/components/parameters/a"}}},
                        "paths":{"/x":{"get":{"operationId":"x","parameters":[{"$ref":"#/components/parameters/a"}]}}}})",
                    "x", "{}"),
            "the operation 'x' of https://api.example.com/docs/openapi.json has a parameter that refers to "
            "'#/components/parameters/a', which is not in the document");
}

}  // namespace
}  // namespace trv::effects
