#include "kernel/effects/openapi.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "kernel/effects/openapi_parameter.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/definition/node.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::effects {
namespace {

using base::ErrorCode;
using base::fail;
using json::Value;

constexpr std::string_view methods[] = {"get", "put", "post", "delete", "options", "head", "patch"};
constexpr int references_max = 16;

std::string_view text_of(const Value* value) {
  return value != nullptr && value->is_string() ? value->as_string() : std::string_view();
}

bool is_json(std::string_view media) {
  const std::string type = base::lower(base::trimmed(media.substr(0, media.find(';'))));
  return type == "application/json" || type.ends_with("+json") || type == "*/*" || type == "application/*";
}

/// One operation, with what it is part of.
class Operation {
 public:
  Operation(const Value& document, const OpenApiCall& call) : document_(document), call_(call) {}

  base::Result<OpenApiRequest> request() {
    TRV_TRY(check_version());
    TRV_TRY(find());
    OpenApiRequest out;
    out.method = method_;
    std::ranges::transform(out.method, out.method.begin(), [](char c) { return static_cast<char>(c - 32); });
    TRV_TRY_ASSIGN(const std::string server, swagger_ ? base_path() : server_address());
    TRV_TRY_ASSIGN(const std::vector<OpenApiParameter> declared, parameters());
    std::vector<std::string> missing;
    TRV_TRY(body(declared, out, missing));
    TRV_TRY(place(declared, out, missing));
    if (!missing.empty()) return refuse(fmt::format("needs {}; write it under 'parameters'", fmt::join(missing, ", ")));
    TRV_TRY(check_known(declared));
    if (path_.find('{') != std::string::npos) {
      return refuse(
          fmt::format("has the path '{}', and a part of it in braces is not a parameter in the document", path_));
    }
    out.url = server + path_;
    if (!query_.empty()) out.url += (out.url.find('?') == std::string::npos ? '?' : '&') + query_;
    accept(out);
    return out;
  }

 private:
  [[nodiscard]] std::unexpected<base::Error> refuse(std::string_view why) const {
    return fail(ErrorCode::invalid, fmt::format("the operation '{}' of {} {}", call_.operation_id, call_.address, why));
  }
  [[nodiscard]] std::unexpected<base::Error> refuse_document(std::string_view why) const {
    return fail(ErrorCode::invalid, fmt::format("the OpenAPI document {} {}", call_.address, why));
  }

  base::Status check_version() {
    swagger_ = text_of(document_.find("swagger")).starts_with("2.");
    const std::string_view version = text_of(document_.find("openapi"));
    if (swagger_ || version.starts_with("3.0") || version.starts_with("3.1")) return {};
    return refuse_document("says neither 'swagger: \"2.0\"' nor 'openapi: 3.0' or 'openapi: 3.1'");
  }

  /// What a local reference means, or the value itself. Null: it leads nowhere.
  const Value* followed(const Value* value) const {
    for (int i = 0; value != nullptr && i < references_max; ++i) {
      const Value* reference = value->is_object() ? value->find("$ref") : nullptr;
      if (reference == nullptr) return value;
      std::string_view pointer = text_of(reference);
      if (!pointer.starts_with("#/")) return nullptr;
      pointer.remove_prefix(2);
      value = &document_;
      for (bool more = true; more && value != nullptr;) {
        const std::size_t end = std::min(pointer.find('/'), pointer.size());
        value = value->find(unescaped(pointer.substr(0, end)));
        more = end < pointer.size();
        pointer.remove_prefix(std::min(end + 1, pointer.size()));
      }
    }
    return nullptr;
  }

  static std::string unescaped(std::string_view part) {
    std::string out;
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (part[i] == '~' && i + 1 < part.size()) {
        out.push_back(part[++i] == '0' ? '~' : '/');
      } else if (const auto byte = base::escaped_byte(part.substr(i))) {
        out.push_back(*byte);
        i += 2;
      } else {
        out.push_back(part[i]);
      }
    }
    return out;
  }

  base::Status find() {
    const Value* paths = document_.find("paths");
    if (paths == nullptr || !paths->is_object()) return refuse_document("has no 'paths'");
    std::vector<std::string_view> ids;
    for (const json::Entry& path : paths->entries()) {
      const Value* item = followed(&path.value);
      if (item == nullptr) continue;
      for (const std::string_view method : methods) {
        const Value* operation = item->find(method);
        const std::string_view id = operation == nullptr ? "" : text_of(operation->find("operationId"));
        if (id.empty()) continue;
        if (id == call_.operation_id) {
          item_ = item;
          operation_ = operation;
          method_ = method;
          path_ = path.name();
          return {};
        }
        ids.push_back(id);
      }
    }
    if (ids.empty()) return refuse_document("has no operation with an 'operationId'");
    const std::string_view meant = base::nearest(call_.operation_id, ids);
    return refuse_document(fmt::format("has no operation '{}'{}", call_.operation_id,
                                       meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
  }

  /// scheme://host of the document.
  [[nodiscard]] std::string_view document_origin() const {
    const std::size_t host = call_.address.find("://");
    return call_.address.substr(0, call_.address.find_first_of("/?#", host == std::string_view::npos ? 0 : host + 3));
  }

  base::Result<std::string> base_path() const {
    const std::string_view origin = document_origin();
    const std::string_view own_scheme = origin.substr(0, origin.find("://"));
    const std::string_view host = text_of(document_.find("host"));
    const Value* schemes = operation_->find("schemes");
    if (schemes == nullptr) schemes = document_.find("schemes");
    std::string scheme(own_scheme);
    if (schemes != nullptr && schemes->is_array() && schemes->size() > 0) {
      const auto has = [&](std::string_view name) {
        return std::ranges::any_of(schemes->items(), [&](const Value& one) { return text_of(&one) == name; });
      };
      if (has("https")) {
        scheme = "https";
      } else if (has("http")) {
        scheme = "http";
      } else {
        return refuse_document("has no scheme http or https in 'schemes'");
      }
    }
    std::string base(text_of(document_.find("basePath")));
    while (base.ends_with('/')) base.pop_back();
    return fmt::format("{}://{}{}", scheme,
                       host.empty() ? origin.substr(std::min(origin.find("://") + 3, origin.size())) : host, base);
  }

  base::Result<std::string> server_address() const {
    const Value* server = nullptr;
    for (const Value* holder : {operation_, item_, &document_}) {
      const Value* servers = holder->find("servers");
      if (server == nullptr && servers != nullptr && servers->is_array() && servers->size() > 0)
        server = &servers->at(0);
    }
    std::string url(server == nullptr ? "/" : text_of(server->find("url")));
    const Value* variables = server == nullptr ? nullptr : server->find("variables");
    for (std::size_t open = url.find('{'); open != std::string::npos; open = url.find('{', open)) {
      const std::size_t close = url.find('}', open);
      if (close == std::string::npos) return refuse_document(fmt::format("has the server '{}' with a lone '{{'", url));
      const Value* variable =
          variables == nullptr ? nullptr : variables->find(std::string_view(url).substr(open + 1, close - open - 1));
      const Value* value = variable == nullptr ? nullptr : variable->find("default");
      if (value == nullptr || !value->is_string()) {
        return refuse_document(fmt::format("has the server '{}' with a variable that has no default", url));
      }
      url.replace(open, close - open + 1, value->as_string());
      open += value->as_string().size();
    }
    while (url.ends_with('/')) url.pop_back();
    const std::string_view origin = document_origin();
    if (url.starts_with("https://") || url.starts_with("http://")) return url;
    if (url.starts_with("//")) return fmt::format("{}{}", origin.substr(0, origin.find("://") + 1), url);
    if (url.empty() || url.starts_with('/')) return fmt::format("{}{}", origin, url);
    const std::string_view document = call_.address.substr(0, call_.address.find_first_of("?#"));
    const std::size_t slash = document.rfind('/');
    return fmt::format("{}/{}", slash < origin.size() ? origin : document.substr(0, slash), url);
  }

  base::Result<std::vector<OpenApiParameter>> parameters() const {
    std::vector<OpenApiParameter> out;
    for (const Value* holder : {item_, operation_}) {
      const Value* list = holder->find("parameters");
      if (list == nullptr || !list->is_array()) continue;
      for (const Value& one : list->items()) {
        const Value* found = followed(&one);
        if (found == nullptr) {
          return refuse(fmt::format("has a parameter that refers to '{}', which is not in the document",
                                    text_of(one.find("$ref"))));
        }
        OpenApiParameter parameter = read_parameter(*found, swagger_);
        std::erase_if(out, [&](const OpenApiParameter& other) {
          return other.name == parameter.name && other.in == parameter.in;
        });
        out.push_back(std::move(parameter));
      }
    }
    return out;
  }

  [[nodiscard]] const Value* given(std::string_view name) const {
    const Value* value = call_.parameters.find(name);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  base::Status place(const std::vector<OpenApiParameter>& declared, OpenApiRequest& out,
                     std::vector<std::string>& missing) {
    for (const OpenApiParameter& parameter : declared) {
      if (parameter.in == "body" || parameter.in == "formData") continue;
      const Value* value = given(parameter.name);
      if (value == nullptr && parameter.required) value = parameter.default_;
      if (value == nullptr) {
        if (parameter.required) missing.push_back(fmt::format("'{}' ({})", parameter.name, parameter.in));
        continue;
      }
      const auto placed = [&](base::Result<std::string> text, auto use) -> base::Status {
        if (!text) return refuse(text.error().message());
        use(*text);
        return {};
      };
      if (parameter.in == "query") {
        TRV_TRY(placed(query_text(parameter, *value), [&](const std::string& text) {
          if (!text.empty()) query_ += (query_.empty() ? "" : "&") + text;
        }));
      } else if (parameter.in == "path") {
        TRV_TRY(placed(path_text(parameter, *value), [&](const std::string& text) {
          const std::string hole = "{" + parameter.name + "}";
          for (std::size_t at = path_.find(hole); at != std::string::npos; at = path_.find(hole, at + text.size())) {
            path_.replace(at, hole.size(), text);
          }
        }));
      } else if (parameter.in == "header") {
        // OpenAPI gives these to other parts of the document.
        const std::string name = base::lower(parameter.name);
        if (name == "accept" || name == "content-type" || name == "authorization") continue;
        TRV_TRY(placed(header_text(parameter, *value),
                       [&](const std::string& text) { out.headers.push_back({parameter.name, text}); }));
      } else {
        return refuse(
            fmt::format("has the parameter '{}' in '{}', which is not supported", parameter.name, parameter.in));
      }
    }
    return {};
  }

  base::Status body(const std::vector<OpenApiParameter>& declared, OpenApiRequest& out,
                    std::vector<std::string>& missing) {
    return swagger_ ? swagger_body(declared, out, missing) : request_body(declared, out, missing);
  }

  base::Status swagger_body(const std::vector<OpenApiParameter>& declared, OpenApiRequest& out,
                            std::vector<std::string>& missing) {
    const Value* consumes = operation_->find("consumes");
    if (consumes == nullptr) consumes = document_.find("consumes");
    std::vector<std::string_view> media;
    if (consumes != nullptr && consumes->is_array()) {
      for (const Value& one : consumes->items()) media.push_back(text_of(&one));
    }
    Value form = Value::object();
    bool has_form = false;
    for (const OpenApiParameter& parameter : declared) {
      if (parameter.in != "body" && parameter.in != "formData") continue;
      has_form = has_form || parameter.in == "formData";
      const Value* value = given(parameter.name);
      if (value == nullptr && parameter.required) value = parameter.default_;
      if (value == nullptr) {
        if (parameter.required) missing.push_back(fmt::format("'{}' ({})", parameter.name, parameter.in));
        continue;
      }
      if (parameter.in == "body") return write_body(*value, media, out);
      if (parameter.is_file) {
        return refuse(fmt::format("takes the file '{}', and forms with files are not supported", parameter.name));
      }
      form.set(std::string_view(parameter.name), *value);
    }
    if (!has_form || form.size() == 0) return {};
    if (std::ranges::find(media, "multipart/form-data") != media.end() &&
        std::ranges::find(media, "application/x-www-form-urlencoded") == media.end()) {
      return refuse("takes multipart/form-data, which is not supported");
    }
    return write_body(form, {"application/x-www-form-urlencoded"}, out);
  }

  base::Status request_body(const std::vector<OpenApiParameter>& declared, OpenApiRequest& out,
                            std::vector<std::string>& missing) {
    const Value* described = operation_->find("requestBody");
    if (described == nullptr) return {};
    described = followed(described);
    if (described == nullptr) return refuse("has a request body that refers to what is not in the document");
    const bool taken =
        std::ranges::any_of(declared, [](const OpenApiParameter& parameter) { return parameter.name == "body"; });
    takes_body_ = !taken;
    const Value* value = taken ? nullptr : given("body");
    if (value == nullptr) {
      const Value* required = described->find("required");
      if (required != nullptr && required->is_truthy()) missing.emplace_back("'body' (the request's body)");
      return {};
    }
    std::vector<std::string_view> media;
    const Value* content = described->find("content");
    if (content != nullptr && content->is_object()) {
      for (const json::Entry& one : content->entries()) media.push_back(one.name());
    }
    return write_body(*value, media, out);
  }

  base::Status write_body(const Value& value, const std::vector<std::string_view>& media, OpenApiRequest& out) const {
    const auto found = std::ranges::find_if(media, is_json);
    const auto is_form = [](std::string_view type) { return type.starts_with("application/x-www-form-urlencoded"); };
    const auto form = std::ranges::find_if(media, is_form);
    std::string type = "application/json";
    if (found != media.end() || media.empty()) {
      if (found != media.end() && !found->contains('*')) type = *found;
      out.body = json::serialize(value);
    } else if (form != media.end() && value.is_object()) {
      type = *form;
      for (const json::Entry& field : value.entries()) {
        const bool is_list = field.value.is_array();
        const std::size_t count = is_list ? field.value.size() : 1;
        for (std::size_t i = 0; i < count; ++i) {
          if (!out.body.empty()) out.body += '&';
          out.body += base::percent_encoded(field.name()) + '=' +
                      base::percent_encoded(plain_text(is_list ? field.value.at(i) : field.value));
        }
      }
    } else if (value.is_string() && !media.front().starts_with("multipart/")) {
      type = media.front();
      out.body = value.as_string();
    } else {
      return refuse(fmt::format("takes a body of {}; JSON, forms, and text for another type are supported",
                                fmt::join(media, ", ")));
    }
    out.headers.push_back({"Content-Type", type});
    return {};
  }

  base::Status check_known(const std::vector<OpenApiParameter>& declared) const {
    std::vector<std::string_view> names;
    for (const OpenApiParameter& parameter : declared) names.push_back(parameter.name);
    if (takes_body_) names.emplace_back("body");
    for (const json::Entry& parameter : call_.parameters.entries()) {
      if (std::ranges::find(names, parameter.name()) != names.end()) continue;
      const std::string_view meant = base::nearest(parameter.name(), names);
      if (!meant.empty())
        return refuse(fmt::format("has no parameter '{}'; did you mean '{}'?", parameter.name(), meant));
      return refuse(fmt::format("has no parameter '{}'; it knows {}", parameter.name(),
                                names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
    }
    return {};
  }

  /// JSON, where the document says that some answer of the operation is.
  void accept(OpenApiRequest& out) const {
    bool gives_json = false;
    const Value* produces = operation_->find("produces");
    if (produces == nullptr) produces = document_.find("produces");
    if (swagger_ && produces != nullptr && produces->is_array()) {
      gives_json = std::ranges::any_of(produces->items(), [](const Value& one) { return is_json(text_of(&one)); });
    }
    const Value* responses = operation_->find("responses");
    if (!swagger_ && responses != nullptr && responses->is_object()) {
      for (const json::Entry& response : responses->entries()) {
        const Value* described = followed(&response.value);
        const Value* content = described == nullptr ? nullptr : described->find("content");
        if (content == nullptr || !content->is_object()) continue;
        gives_json = gives_json || std::ranges::any_of(content->entries(),
                                                       [](const json::Entry& one) { return is_json(one.name()); });
      }
    }
    if (gives_json) out.headers.push_back({"Accept", "application/json"});
  }

  const Value& document_;
  const OpenApiCall& call_;
  bool swagger_ = false;
  bool takes_body_ = false;
  const Value* item_ = nullptr;
  const Value* operation_ = nullptr;
  std::string_view method_;
  std::string path_;
  std::string query_;
};

}  // namespace

base::Result<Value> read_openapi_document(std::string_view address, std::string_view text) {
  const std::string_view begin = base::trimmed(text.substr(0, 1'000));
  const bool is_json_text = begin.starts_with('{');
  auto document = is_json_text ? json::parse(text, {.bytes_max = 16'000'000}) : [&]() -> base::Result<Value> {
    TRV_TRY_ASSIGN(const definition::Node root, definition::read(text, definition::Format::yaml));
    return json::parse(definition::to_json(root));
  }();
  if (!document) {
    return fail(ErrorCode::invalid, fmt::format("the OpenAPI document {} is not {}: {}", address,
                                                is_json_text ? "JSON" : "YAML", document.error().message()));
  }
  if (!document->is_object()) {
    return fail(ErrorCode::invalid, fmt::format("the OpenAPI document {} is not an object", address));
  }
  return document;
}

base::Result<OpenApiRequest> openapi_request(const Value& document, const OpenApiCall& call) {
  TRV_EXPECTS(document.is_object() && call.parameters.is_object());
  return Operation(document, call).request();
}

}  // namespace trv::effects
