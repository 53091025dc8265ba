// Reading a call's input. The host holds it against the manifest's schema before; what is read here is what the schema
// cannot say, and what must not be relied on.

#include <algorithm>
#include <array>

#include "plugins/models/exchange.hpp"

namespace models {
namespace {

using namespace trv::sdk;

std::string member_of(const std::string& where, std::string_view name) {
  return where.empty() ? std::string(name) : where + "." + std::string(name);
}

std::string item_of(std::string_view name, std::size_t index) {
  return std::string(name) + "[" + std::to_string(index) + "]";
}

const json::value* find(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const json::object& no_object() {
  static const json::object none;
  return none;
}

const json::array& no_array() {
  static const json::array none;
  return none;
}

/// Reads on after what is wrong and keeps the first of it.
class Reader {
 public:
  void wrong(const std::string& where, const std::string& what) {
    if (!failure_) failure_ = Failure{.code = Code::invalid, .message = "input: " + where + ": " + what};
  }
  [[nodiscard]] const std::optional<Failure>& failure() const noexcept { return failure_; }

  std::string text(const json::object& object, std::string_view name, const std::string& where,
                   std::optional<std::string_view> otherwise = std::nullopt) {
    const json::value* value = find(object, name);
    if (value != nullptr && value->is_string()) return std::string(value->get_string());
    if (value == nullptr && otherwise) return std::string(*otherwise);
    wrong(member_of(where, name), value == nullptr ? "is missing" : "must be a text");
    return {};
  }

  const json::object& object(const json::value& value, const std::string& where) {
    if (value.is_object()) return value.get_object();
    wrong(where, "must be an object");
    return no_object();
  }

  json::object object_or_empty(const json::object& from, std::string_view name, const std::string& where) {
    const json::value* value = find(from, name);
    return value == nullptr ? json::object() : object(*value, member_of(where, name));
  }

  const json::array& array(const json::object& from, std::string_view name, const std::string& where) {
    const json::value* value = find(from, name);
    if (value == nullptr) return no_array();
    if (value->is_array()) return value->get_array();
    wrong(member_of(where, name), "must be an array");
    return no_array();
  }

  std::optional<std::int64_t> integer(const json::object& from, std::string_view name) {
    const json::value* value = find(from, name);
    if (value == nullptr) return std::nullopt;
    if (value->is_int64()) return value->get_int64();
    wrong(std::string(name), "must be an integer");
    return std::nullopt;
  }

  std::optional<double> number(const json::object& from, std::string_view name) {
    const json::value* value = find(from, name);
    if (value == nullptr) return std::nullopt;
    boost::system::error_code failure;
    const double out = value->to_number<double>(failure);
    if (failure) wrong(std::string(name), "must be a number");
    return out;
  }

  bool flag(const json::object& from, std::string_view name, const std::string& where) {
    const json::value* value = find(from, name);
    if (value == nullptr) return false;
    if (value->is_bool()) return value->get_bool();
    wrong(member_of(where, name), "must be true or false");
    return false;
  }

  /// An array of texts, or one text.
  std::vector<std::string> texts(const json::object& from, std::string_view name) {
    const json::value* value = find(from, name);
    if (value != nullptr && value->is_string()) return {std::string(value->get_string())};
    std::vector<std::string> out;
    for (const json::value& item : array(from, name, "")) {
      if (!item.is_string()) wrong(item_of(name, out.size()), "must be a text");
      out.emplace_back(item.is_string() ? std::string(item.get_string()) : std::string());
    }
    return out;
  }

 private:
  std::optional<Failure> failure_;
};

Role read_role(Reader& reader, const std::string& role, const std::string& where) {
  static constexpr std::array<std::pair<std::string_view, Role>, 4> roles = {
      {{"system", Role::system}, {"user", Role::user}, {"assistant", Role::assistant}, {"tool", Role::tool}}};
  for (const auto& [name, value] : roles)
    if (role == name) return value;
  reader.wrong(member_of(where, "role"), "\"" + role + "\" is not one of system, user, assistant, tool");
  return Role::user;
}

std::vector<Part> read_content(Reader& reader, const json::object& message, const std::string& where) {
  const json::value* content = find(message, "content");
  if (content == nullptr) return {};
  if (content->is_string()) return {Part{.text = std::string(content->get_string())}};
  std::vector<Part> parts;
  for (const json::value& item : reader.array(message, "content", where)) {
    const std::string here = member_of(where, item_of("content", parts.size()));
    const json::object& part = reader.object(item, here);
    const std::string type = reader.text(part, "type", here);
    if (type == "text") {
      parts.push_back({.text = reader.text(part, "text", here)});
    } else if (type == "image") {
      parts.push_back({.media_type = reader.text(part, "media_type", here), .data = reader.text(part, "data", here)});
      if (parts.back().media_type.empty()) reader.wrong(member_of(here, "media_type"), "is empty");
    } else {
      reader.wrong(member_of(here, "type"), "\"" + type + "\" is not one of text, image");
      return parts;
    }
  }
  return parts;
}

ToolCall read_tool_call(Reader& reader, const json::value& value, const std::string& where) {
  const json::object& call = reader.object(value, where);
  return {.id = reader.text(call, "id", where),
          .name = reader.text(call, "name", where),
          .arguments = reader.object_or_empty(call, "arguments", where),
          .arguments_text = reader.text(call, "arguments_text", where, "")};
}

Message read_message(Reader& reader, const json::value& value, const std::string& where) {
  const json::object& from = reader.object(value, where);
  Message message;
  message.role = read_role(reader, reader.text(from, "role", where), where);
  message.parts = read_content(reader, from, where);
  for (const json::value& call : reader.array(from, "tool_calls", where)) {
    const std::string here = member_of(where, item_of("tool_calls", message.tool_calls.size()));
    message.tool_calls.push_back(read_tool_call(reader, call, here));
  }
  message.tool_call_id = reader.text(from, "tool_call_id", where, "");
  if (message.role != Role::assistant && !message.tool_calls.empty())
    reader.wrong(member_of(where, "tool_calls"), "only an assistant has them");
  if (message.role == Role::tool && message.tool_call_id.empty())
    reader.wrong(member_of(where, "tool_call_id"), "is missing; a tool's message names the call that it answers");
  if (message.parts.empty() && message.tool_calls.empty()) reader.wrong(member_of(where, "content"), "is missing");
  return message;
}

bool has_tool(const ChatRequest& request, std::string_view name) {
  return std::any_of(request.tools.begin(), request.tools.end(), [&](const Tool& tool) { return tool.name == name; });
}

void read_tool_choice(Reader& reader, const json::value& choice, ChatRequest& request) {
  if (request.tools.empty()) reader.wrong("tool_choice", "there are no tools to choose from");
  if (choice.is_object()) {
    request.tool_choice = ToolChoice::named;
    request.tool_name = reader.text(choice.get_object(), "name", "tool_choice");
    if (!has_tool(request, request.tool_name))
      reader.wrong("tool_choice.name", "\"" + request.tool_name + "\" is not one of the tools");
    return;
  }
  static constexpr std::array<std::pair<std::string_view, ToolChoice>, 3> choices = {
      {{"auto", ToolChoice::automatic}, {"none", ToolChoice::none}, {"required", ToolChoice::required}}};
  for (const auto& [name, value] : choices) {
    if (!choice.is_string() || choice.get_string() != name) continue;
    request.tool_choice = value;
    return;
  }
  reader.wrong("tool_choice", "must be one of auto, none, required, {\"name\": …}");
}

void read_tools(Reader& reader, const json::object& input, ChatRequest& request) {
  for (const json::value& value : reader.array(input, "tools", "")) {
    const std::string where = item_of("tools", request.tools.size());
    const json::object& tool = reader.object(value, where);
    request.tools.push_back({.name = reader.text(tool, "name", where),
                             .description = reader.text(tool, "description", where, ""),
                             .parameters = reader.object_or_empty(tool, "parameters", where)});
  }
  if (const json::value* choice = find(input, "tool_choice")) read_tool_choice(reader, *choice, request);
}

void read_output(Reader& reader, const json::object& input, ChatRequest& request) {
  const json::value* value = find(input, "output");
  if (value == nullptr) return;
  const json::object& from = reader.object(*value, "output");
  if (find(from, "schema") == nullptr) reader.wrong("output.schema", "is missing");
  OutputFormat output;
  output.schema = reader.object_or_empty(from, "schema", "output");
  output.name = reader.text(from, "name", "output", output.name);
  output.strict = reader.flag(from, "strict", "output");
  request.output = std::move(output);
}

}  // namespace

Read<ChatRequest> read_chat(const json::object& input) {
  Reader reader;
  ChatRequest request;
  request.model = reader.text(input, "model", "");
  for (const json::value& message : reader.array(input, "messages", ""))
    request.messages.push_back(read_message(reader, message, item_of("messages", request.messages.size())));
  const auto is_asked = [](const Message& message) { return message.role != Role::system; };
  if (std::none_of(request.messages.begin(), request.messages.end(), is_asked))
    reader.wrong("messages", "there is no message but the system's; add one with role user");
  read_tools(reader, input, request);
  read_output(reader, input, request);
  request.max_tokens = reader.integer(input, "max_tokens");
  request.temperature = reader.number(input, "temperature");
  request.top_p = reader.number(input, "top_p");
  request.seed = reader.integer(input, "seed");
  request.stop = reader.texts(input, "stop");
  request.extra = reader.object_or_empty(input, "extra", "");
  if (reader.failure()) return *reader.failure();
  return request;
}

Read<EmbedRequest> read_embed(const json::object& input) {
  Reader reader;
  EmbedRequest request;
  request.model = reader.text(input, "model", "");
  request.input = reader.texts(input, "input");
  if (request.input.empty()) reader.wrong("input", "is missing; give a text or an array of texts");
  request.dimensions = reader.integer(input, "dimensions");
  request.extra = reader.object_or_empty(input, "extra", "");
  if (reader.failure()) return *reader.failure();
  return request;
}

}  // namespace models
