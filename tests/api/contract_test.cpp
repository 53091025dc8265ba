// The API before its own document: whatever the schemas of /openapi.json forbid is refused with 4xx, and what they
// allow is not called invalid. The document is read, so a field that is added is tested too.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <regex>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

/// The part of JSON Schema that the document uses for requests.
class Schemas {
 public:
  explicit Schemas(json::value document) : document_(std::move(document)) {}

  [[nodiscard]] const json::object& resolve(const json::value& schema) const {
    const json::object& object = schema.as_object();
    const json::value* reference = object.if_contains("$ref");
    if (reference == nullptr) return object;
    return document_.at_pointer(std::string_view(reference->as_string()).substr(1)).as_object();
  }
  [[nodiscard]] const json::value& document() const { return document_; }

  [[nodiscard]] bool allows(const json::value& schema, const json::value& value) const {
    const json::object& rules = resolve(schema);
    if (const auto* any = rules.if_contains("anyOf")) {
      const auto& options = any->as_array();
      if (std::none_of(options.begin(), options.end(), [&](const auto& one) { return allows(one, value); }))
        return false;
    }
    if (const auto* type = rules.if_contains("type"); type != nullptr && !is_of_type(*type, value)) return false;
    if (const auto* fixed = rules.if_contains("const"); fixed != nullptr && *fixed != value) return false;
    if (const auto* names = rules.if_contains("enum")) {
      const auto& all = names->as_array();
      if (std::find(all.begin(), all.end(), value) == all.end()) return false;
    }
    if (const auto* text = value.if_string()) return allows_text(rules, *text);
    if (value.is_int64()) return allows_number(rules, value.as_int64());
    if (const auto* object = value.if_object()) return allows_object(rules, *object);
    return true;
  }

 private:
  static bool is_of_type(const json::value& type, const json::value& value) {
    if (const auto* options = type.if_array()) {
      return std::any_of(options->begin(), options->end(), [&](const auto& one) { return is_of_type(one, value); });
    }
    const std::string_view name = type.as_string();
    return (name == "string" && value.is_string()) || (name == "integer" && value.is_int64()) ||
           (name == "boolean" && value.is_bool()) || (name == "object" && value.is_object()) ||
           (name == "array" && value.is_array()) || (name == "null" && value.is_null());
  }
  static bool allows_text(const json::object& rules, std::string_view text) {
    const auto characters = static_cast<std::int64_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    if (const auto* least = rules.if_contains("minLength"); least != nullptr && characters < least->as_int64())
      return false;
    if (const auto* most = rules.if_contains("maxLength"); most != nullptr && characters > most->as_int64())
      return false;
    if (rules.contains("format") && rules.at("format") == "date-time") return text == "2026-01-31T12:00:00Z";
    const auto* pattern = rules.if_contains("pattern");
    // The recursion of the library's expressions grows with the text.
    return pattern == nullptr ||
           std::regex_search(std::string(text.substr(0, 5'000)), std::regex(std::string(pattern->as_string())));
  }
  static bool allows_number(const json::object& rules, std::int64_t number) {
    const auto* least = rules.if_contains("minimum");
    const auto* most = rules.if_contains("maximum");
    return (least == nullptr || number >= least->to_number<std::int64_t>()) &&
           (most == nullptr || number <= most->to_number<std::int64_t>());
  }
  [[nodiscard]] bool allows_object(const json::object& rules, const json::object& object) const {
    const json::object none;
    const auto* listed = rules.if_contains("properties");
    const json::object& properties = listed == nullptr ? none : listed->as_object();
    if (const auto* required = rules.if_contains("required")) {
      for (const auto& name : required->as_array()) {
        if (!object.contains(name.as_string())) return false;
      }
    }
    for (const auto& [name, value] : object) {
      const auto* names = rules.if_contains("propertyNames");
      if (names != nullptr && !allows(*names, json::value(name))) return false;
      const auto* schema = properties.if_contains(name);
      if (schema == nullptr) schema = rules.if_contains("additionalProperties");
      if (schema == nullptr) continue;
      if (const auto* open = schema->if_bool()) {
        if (!*open) return false;
      } else if (!allows(*schema, value)) {
        return false;
      }
    }
    return true;
  }

  json::value document_;
};

/// What is put in the place of every member and parameter.
std::vector<json::value> strange_values() {
  std::vector<json::value> values = {nullptr,
                                     true,
                                     0,
                                     1,
                                     -1,
                                     7,
                                     4'000'000'000,
                                     json::array(),
                                     json::object(),
                                     "",
                                     " ",
                                     "x",
                                     "a\u0001b",
                                     "a\nb",
                                     "a\u007fb",
                                     "\u00e4",
                                     "none",
                                     "owner",
                                     "1.0",
                                     "http://127.0.0.1:1/x",
                                     "ftp://x",
                                     "http://a b",
                                     "2026-01-31T12:00:00Z"};
  for (const std::size_t size : {63, 64, 100, 101, 120, 121, 200, 201, 1024, 1025, 2100, 70'000}) {
    values.emplace_back(std::string(size, 'y'));
  }
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "\u00e4";
  values.emplace_back(wide);
  return values;
}

class ContractTest : public ApiTest {
 protected:
  void SetUp() override {
    const Answer answer = call("", "GET", "/openapi.json");
    ASSERT_EQ(answer.status, 200);
    schemas_.emplace(answer.value());
    apply_workflow(acme(), "acme", std::string(hello_workflow));
  }

  [[nodiscard]] static std::string token_for(std::string_view path) {
    return path == "/v1/tenants" || path == "/v1/snapshots" ? daemon().operator_token() : acme();
  }

  /// Sends a body and holds the answer against the schema.
  void expect_agreement(const std::string& path, const std::string& method, const json::value& schema,
                        const json::value& body, const Headers& headers) {
    const std::string token = token_for(path);
    const Answer answer = call(token, method, path, json::serialize(body), headers);
    const std::string shown = method + " " + path + " " + json::serialize(body).substr(0, 300) + "\n" + answer.body;
    const bool allowed = schemas_->allows(schema, body);
    const bool taken = answer.status < 300 || answer.status == 404 || answer.status == 409;
    EXPECT_LT(answer.status, 500) << shown;
    EXPECT_EQ(taken, allowed) << answer.status << " " << shown;
    ++sent_;
    refused_ += taken ? 0 : 1;
  }

  /// Every member of `good` becomes every strange value in turn, is left out, and gets an unknown neighbour.
  void mutate(const std::string& path, const std::string& method, const json::value& schema, const json::object& good,
              const Headers& headers = {{"Content-Type", "application/json"}}) {
    int number = 0;
    // Ids have to be new where two of the same are a conflict or the same event.
    const auto fresh = [&](json::object body) {
      if (const auto* id = body.if_contains("id"); id != nullptr && *id == "fresh") {
        body["id"] = fmt::format("{}-{}-{}", "contract", ++made_, ++number);
      }
      return body;
    };
    const json::object& rules = schemas_->resolve(schema);
    expect_agreement(path, method, schema, fresh(good), headers);
    for (const auto& [name, member] : rules.at("properties").as_object()) {
      for (const json::value& strange : strange_values()) {
        json::object body = fresh(good);
        body[name] = strange;
        // A plugin that is not installed is refused, which no schema says.
        if (name == "plugin" && schemas_->allows(member, strange)) continue;
        // A URL's host has a rule of its own.
        if (name == "base_url" && schemas_->allows(member, strange) && !strange.as_string().starts_with("http://127")) {
          continue;
        }
        if (name == "data_base64") body.erase("data");  // an event has one of them
        expect_agreement(path, method, schema, body, headers);
      }
      json::object without = fresh(good);
      without.erase(name);
      expect_agreement(path, method, schema, without, headers);
    }
    json::object more = fresh(good);
    more["Unknown!"] = 1;
    expect_agreement(path, method, schema, more, headers);
    for (const json::value& strange :
         {json::value(nullptr), json::value(7), json::value("x"), json::value(json::array())}) {
      const Answer answer = call(token_for(path), method, path, json::serialize(strange), headers);
      EXPECT_EQ(answer.status, 400) << path << json::serialize(strange) << answer.body;
    }
  }

  [[nodiscard]] const json::value& schema(const char* name) const {
    return schemas_->document().at("components").at("schemas").at(name);
  }

  std::optional<Schemas> schemas_;
  int sent_ = 0;
  int refused_ = 0;
  static inline int made_ = 0;
};

TEST_F(ContractTest, bodies_are_refused_exactly_where_their_schema_forbids_them) {
  mutate("/v1/tenants", "POST", schema("NewTenant"), {{"id", "fresh"}, {"display_name", "A"}});
  mutate("/v1/tenants/acme/members", "POST", schema("NewMember"), {{"user", "ada"}, {"role", "viewer"}});
  mutate("/v1/tenants/acme/tokens", "POST", schema("NewToken"),
         {{"name", "ci"}, {"role", "viewer"}, {"expires_in_seconds", 60}});
  mutate("/v1/tenants/acme/connections/c", "PUT", schema("NewConnection"),
         {{"base_url", "http://127.0.0.1:1"},
          {"auth", {{"scheme", "none"}, {"user", "u"}, {"header", "h"}}},
          {"secret", "s"},
          {"webhook_secret", "w"},
          {"allow_private_network", true}});
  mutate("/v1/tenants/acme/plugins/none", "PUT", schema("EnablePlugin"), {{"version", "1.0.0"}});
  mutate("/v1/tenants/acme/retention", "PUT", schema("Retention"), {{"instances_days", 9}, {"events_days", 9}});
  EXPECT_GT(sent_, 500);
  EXPECT_GT(refused_, 250);
}

TEST_F(ContractTest, a_part_of_a_body_is_refused_exactly_where_its_schema_forbids_it) {
  const json::value& whole = schema("NewConnection");
  for (const auto& [name, member] : schema("Authentication").at("properties").as_object()) {
    for (const json::value& strange : strange_values()) {
      json::object authentication = {{"scheme", "none"}};
      authentication[name] = strange;
      expect_agreement("/v1/tenants/acme/connections/c", "PUT", whole,
                       json::object{{"base_url", "http://127.0.0.1:1"}, {"auth", authentication}},
                       {{"Content-Type", "application/json"}});
    }
  }
  EXPECT_GT(refused_, 20);
}

TEST_F(ContractTest, cloud_events_are_refused_exactly_where_their_schema_forbids_them) {
  const Headers headers = {{"Content-Type", "application/cloudevents+json"}};
  const json::object good = {{"specversion", "1.0"},
                             {"id", "fresh"},
                             {"source", "/contract"},
                             {"type", "com.example.contract"},
                             {"subject", "s"},
                             {"time", "2026-01-31T12:00:00Z"},
                             {"data", json::object{{"n", 1}}},
                             {"datacontenttype", "application/json"},
                             {"dataschema", "urn:x"},
                             {"ext1", "e"}};
  mutate("/v1/tenants/acme/events", "POST", schema("CloudEvent"), good, headers);
  for (const json::value& strange : strange_values()) {
    json::object body = good;
    body["id"] = fmt::format("ext-{}", ++made_);
    body["ext1"] = strange;
    expect_agreement("/v1/tenants/acme/events", "POST", schema("CloudEvent"), body, headers);
  }
  EXPECT_GT(refused_, 100);
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return out;
}

TEST_F(ContractTest, query_parameters_are_refused_exactly_where_their_schema_forbids_them) {
  const Answer started = call(acme(), "POST", "/v1/tenants/acme/workflows/demo/hello/instances", "{}",
                              {{"Content-Type", "application/json"}});
  ASSERT_EQ(started.status, 201) << started.body;
  const std::map<std::string, std::string> names = {{"{tenant}", "acme"},
                                                    {"{namespace}", "demo"},
                                                    {"{name}", "hello"},
                                                    {"{plugin}", "none"},
                                                    {"{id}", started.text("id")}};
  int parameters = 0;
  for (const auto& [pattern, methods] : schemas_->document().at("paths").as_object()) {
    std::string path(pattern);
    for (const auto& [name, value] : names) {
      if (const std::size_t at = path.find(name); at != std::string::npos) path.replace(at, name.size(), value);
    }
    if (path.find('{') != std::string::npos) continue;  // a part of it is made by what a test does not have
    for (const auto& [method, operation] : methods.as_object()) {
      const auto* listed = operation.as_object().if_contains("parameters");
      if (listed == nullptr) continue;
      const auto* body = operation.as_object().if_contains("requestBody");
      // What takes another body is refused for that first.
      if (body != nullptr && !body->at("content").as_object().contains("application/json")) continue;
      for (const json::value& one : listed->as_array()) {
        const json::object& parameter = schemas_->resolve(one);
        // A stream that begins is not an answer that ends.
        if (parameter.at("in") != "query" || path.ends_with("/stream")) continue;
        ++parameters;
        const std::string name(parameter.at("name").as_string());
        for (const char* text : {"", "0", "1", "500", "501", "-1", "+1", "1.5", "x", "a/b", "a b", "a\nb", "completed",
                                 "null", "99999999999999999999", "ab", "zz"}) {
          const json::object& rules = schemas_->resolve(parameter.at("schema"));
          const bool is_number = rules.contains("type") && rules.at("type") == "integer";
          json::value value(text);
          if (is_number) {
            boost::system::error_code error;
            value = json::parse(text, error);
            if (error) value = text;
          }
          const bool allowed = schemas_->allows(parameter.at("schema"), value);
          // Only the list that gave it takes a cursor.
          if (name == "cursor" && allowed) continue;
          const std::string upper = method == "get"      ? "GET"
                                    : method == "delete" ? "DELETE"
                                    : method == "put"    ? "PUT"
                                                         : "POST";
          const bool has_body = upper == "POST" || upper == "PUT";
          const std::string token = token_for(path);
          const Answer answer =
              call(token, upper, path + "?" + name + "=" + percent_encoded(text), has_body ? "{}" : "",
                   has_body ? Headers{{"Content-Type", "application/json"}} : Headers{});
          const std::string shown = fmt::format("{} {}?{}={} {}", upper, path, name, text, answer.body);
          const bool taken = answer.status < 300 || answer.status == 404 || answer.status == 409;
          EXPECT_EQ(taken, allowed) << answer.status << " " << shown;
        }
      }
    }
  }
  EXPECT_GT(parameters, 15);
}

}  // namespace
}  // namespace trv::api
