// OpenAI's Chat Completions and Embeddings, and the many services that speak them
// (platform.openai.com/docs/api-reference/chat).

#include <string>
#include <string_view>
#include <utility>

#include "plugins/models/exchange.hpp"
#include "plugins/models/failure.hpp"
#include "plugins/models/pieces.hpp"

namespace models {
namespace {

using namespace trv::sdk;

constexpr std::string_view role_names[] = {"system", "user", "assistant", "tool"};

json::value content_of(const Message& message) {
  bool has_picture = false;
  for (const Part& part : message.parts) has_picture = has_picture || !part.media_type.empty();
  if (!has_picture) return json::string(message.text());
  json::array parts;
  for (const Part& part : message.parts) {
    if (part.media_type.empty()) {
      parts.push_back({{"type", "text"}, {"text", part.text}});
    } else {
      parts.push_back(
          {{"type", "image_url"}, {"image_url", {{"url", "data:" + part.media_type + ";base64," + part.data}}}});
    }
  }
  return parts;
}

json::object message_of(const Message& message) {
  json::object out = {{"role", role_names[static_cast<std::size_t>(message.role)]}, {"content", content_of(message)}};
  if (message.role == Role::tool) out["tool_call_id"] = message.tool_call_id;
  if (message.tool_calls.empty()) return out;
  if (message.parts.empty()) out["content"] = nullptr;
  json::array calls;
  for (const ToolCall& call : message.tool_calls) {
    const std::string arguments = call.arguments_text.empty() ? json::serialize(call.arguments) : call.arguments_text;
    calls.push_back(
        {{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", arguments}}}});
  }
  out["tool_calls"] = std::move(calls);
  return out;
}

json::object function_of(std::string_view name, std::string_view description, const json::object& parameters) {
  json::object function = {{"name", name}, {"parameters", parameters}};
  if (parameters.empty()) function["parameters"] = {{"type", "object"}, {"properties", json::object()}};
  if (!description.empty()) function["description"] = description;
  return {{"type", "function"}, {"function", std::move(function)}};
}

void write_tools(const Provider& provider, const ChatRequest& request, json::object& body) {
  json::array tools;
  for (const Tool& tool : request.tools) tools.push_back(function_of(tool.name, tool.description, tool.parameters));
  json::value choice = nullptr;
  if (request.tool_choice == ToolChoice::none) choice = "none";
  if (request.tool_choice == ToolChoice::required) choice = "required";
  if (request.tool_choice == ToolChoice::named)
    choice = {{"type", "function"}, {"function", {{"name", request.tool_name}}}};
  if (request.output && provider.structured_output == StructuredOutput::tool) {
    tools.push_back(function_of(request.output->name, "Gives the answer.", request.output->schema));
    choice = request.tools.empty() ? json::value{{"type", "function"}, {"function", {{"name", request.output->name}}}}
                                   : json::value("required");
  }
  if (tools.empty()) return;
  body["tools"] = std::move(tools);
  if (!choice.is_null()) body["tool_choice"] = std::move(choice);
}

void write_output(const Provider& provider, const OutputFormat& output, json::object& body) {
  if (provider.structured_output == StructuredOutput::schema) {
    body["response_format"] = {
        {"type", "json_schema"},
        {"json_schema", {{"name", output.name}, {"schema", output.schema}, {"strict", output.strict}}}};
  } else if (provider.structured_output == StructuredOutput::object) {
    body["response_format"] = {{"type", "json_object"}};
    json::array messages;
    messages.push_back(json::object{{"role", "system"}, {"content", in_words(output)}});
    for (json::value& message : body["messages"].get_array()) messages.push_back(std::move(message));
    body["messages"] = std::move(messages);
  }
}

void rename(const Provider& provider, json::object& body) {
  for (const auto& [ours, theirs] : provider.renames) {
    json::value* value = body.if_contains(ours);
    if (value == nullptr) continue;
    json::value moved = std::move(*value);
    body.erase(ours);
    body[theirs] = std::move(moved);
  }
}

std::optional<Usage> usage_of(const json::object& body) {
  const json::object* usage = object_of(body, "usage");
  if (usage == nullptr) return std::nullopt;
  Usage out{.input = count_of(*usage, "prompt_tokens"), .output = count_of(*usage, "completion_tokens")};
  if (const json::object* input = object_of(*usage, "prompt_tokens_details")) {
    out.cached_input = count_of(*input, "cached_tokens");
    out.cache_write = count_of(*input, "cache_write_tokens");
  }
  if (const json::object* output = object_of(*usage, "completion_tokens_details"))
    out.reasoning = count_of(*output, "reasoning_tokens");
  return out;
}

/// An answer as it grows. A whole answer is one piece of it.
class Collector {
 public:
  void take(const json::object& chunk) {
    if (answer_.id.empty()) answer_.id = text_of(chunk, "id");
    if (answer_.model.empty()) answer_.model = text_of(chunk, "model");
    if (auto usage = usage_of(chunk)) answer_.usage = usage;
    const json::value* choices = chunk.if_contains("choices");
    if (choices == nullptr || !choices->is_array()) return;
    for (const json::value& value : choices->get_array())
      if (const json::object* choice = value.if_object())
        if (count_of(*choice, "index") == 0) take_choice(*choice);
  }

  [[nodiscard]] std::string new_text() { return answer_.text.substr(std::exchange(given_, answer_.text.size())); }
  [[nodiscard]] bool is_whole() const noexcept { return !finish_reason_.empty(); }

  Answer answer() {
    if (!refusal_.empty()) {
      answer_.stop = Stop::refused;
      answer_.text = refusal_;
    } else if (finish_reason_ == "length") {
      answer_.stop = Stop::length;
    } else if (finish_reason_ == "content_filter") {
      answer_.stop = Stop::refused;
    }
    for (Pending& pending : calls_) {
      ToolCall call{.id = pending.id.empty() ? "call_" + std::to_string(answer_.tool_calls.size() + 1) : pending.id,
                    .name = pending.name};
      read_arguments(pending.arguments, call);
      answer_.tool_calls.push_back(std::move(call));
    }
    // A few services say "stop" where they call a tool.
    if (answer_.stop == Stop::end && !answer_.tool_calls.empty()) answer_.stop = Stop::tool_calls;
    return std::move(answer_);
  }

 private:
  struct Pending {
    std::uint64_t index = 0;
    std::string id = {};
    std::string name = {};
    std::string arguments = {};
  };

  void take_choice(const json::object& choice) {
    if (const std::string_view reason = text_of(choice, "finish_reason"); !reason.empty()) finish_reason_ = reason;
    const json::object* part = object_of(choice, "delta");
    if (part == nullptr) part = object_of(choice, "message");
    if (part == nullptr) return;
    answer_.text += text_of(*part, "content");
    refusal_ += text_of(*part, "refusal");
    answer_.reasoning += text_of(*part, "reasoning_content");
    const json::value* calls = part->if_contains("tool_calls");
    if (calls == nullptr || !calls->is_array()) return;
    std::uint64_t position = 0;
    for (const json::value& value : calls->get_array()) {
      const json::object* call = value.if_object();
      if (call == nullptr) continue;
      // A whole answer has no index; a call's place in the list is it.
      take_call(*call, call->contains("index") ? count_of(*call, "index") : position);
      ++position;
    }
  }

  void take_call(const json::object& call, std::uint64_t index) {
    Pending* pending = nullptr;
    for (Pending& known : calls_)
      if (known.index == index) pending = &known;
    if (pending == nullptr) pending = &calls_.emplace_back(Pending{.index = index});
    if (pending->id.empty()) pending->id = text_of(call, "id");
    const json::object* function = object_of(call, "function");
    if (function == nullptr) return;
    if (pending->name.empty()) pending->name = text_of(*function, "name");
    pending->arguments += text_of(*function, "arguments");
  }

  Answer answer_;
  std::size_t given_ = 0;  // bytes of the text that new_text() has given
  std::string refusal_;
  std::string finish_reason_;
  std::vector<Pending> calls_;
};

class Reader final : public AnswerReader {
 public:
  Reader(const Provider& provider, const ChatRequest& request) : provider_(provider), request_(request) {}

  bool add(std::string_view bytes) override {
    pieces_.add(bytes);
    while (const auto data = pieces_.next()) {
      is_done_ = *data == "[DONE]";
      if (is_done_ || !take(*data)) return false;
    }
    return true;
  }

  std::string new_text() override { return collector_.new_text(); }

  Read<Answer> finish() override {
    if (const auto object = pieces_.object()) take(*object);
    if (failure_) return *failure_;
    if (count_ == 0)
      return failure_of(Kind::unreadable, provider_, request_.model, "the answer is not one of this dialect");
    if (!collector_.is_whole() && !is_done_)
      return failure_of(Kind::cut, provider_, request_.model, "the answer ended before its end");
    return collector_.answer();
  }

 private:
  bool take(std::string_view text) {
    const auto chunk = parse_object(text);
    if (!chunk) {
      failure_ = failure_of(Kind::unreadable, provider_, request_.model, "a piece of the answer is not a JSON object");
    } else if (chunk->contains("error") && !chunk->at("error").is_null()) {
      failure_ = error_in_answer(provider_, request_.model, *chunk);
    } else {
      ++count_;
      collector_.take(*chunk);
    }
    return !failure_;
  }

  const Provider& provider_;
  const ChatRequest& request_;
  Pieces pieces_;
  Collector collector_;
  std::optional<Failure> failure_;
  std::size_t count_ = 0;
  bool is_done_ = false;
};

class OpenAi final : public Dialect {
 public:
  [[nodiscard]] Request chat(const Provider& provider, const ChatRequest& request) const override {
    json::array messages;
    for (const Message& message : request.messages) messages.push_back(message_of(message));
    json::object body = {{"model", request.model}, {"messages", std::move(messages)}};
    write_tools(provider, request, body);
    if (request.output) write_output(provider, *request.output, body);
    const std::int64_t tokens = request.max_tokens.value_or(provider.max_tokens_default);
    if (tokens > 0) body["max_tokens"] = tokens;
    if (request.temperature) body["temperature"] = *request.temperature;
    if (request.top_p) body["top_p"] = *request.top_p;
    if (request.seed) body["seed"] = *request.seed;
    if (!request.stop.empty()) body["stop"] = json::value_from(request.stop);
    if (provider.stream) {
      body["stream"] = true;
      if (provider.stream_usage) body["stream_options"] = {{"include_usage", true}};
    }
    rename(provider, body);
    merge(body, request.extra);
    return post("/chat/completions").header("Accept", "text/event-stream, application/json").json(body);
  }

  [[nodiscard]] std::unique_ptr<AnswerReader> read_chat(const Provider& provider,
                                                        const ChatRequest& request) const override {
    return std::make_unique<Reader>(provider, request);
  }

  [[nodiscard]] Request embed(const Provider& provider, const EmbedRequest& request) const override {
    json::object body = {
        {"model", request.model}, {"input", json::value_from(request.input)}, {"encoding_format", "float"}};
    if (request.dimensions) body["dimensions"] = *request.dimensions;
    rename(provider, body);
    merge(body, request.extra);
    return post("/embeddings").header("Accept", "application/json").json(body);
  }

  [[nodiscard]] Read<Embeddings> read_embed(const Provider& provider, const EmbedRequest& request,
                                            std::string_view body) const override {
    const auto unreadable = [&] {
      return failure_of(Kind::unreadable, provider, request.model, "the answer has not one vector for each text");
    };
    const auto answer = parse_object(body);
    const json::value* data = answer ? answer->if_contains("data") : nullptr;
    if (data == nullptr || !data->is_array() || data->get_array().size() != request.input.size()) return unreadable();
    Embeddings out{.model = std::string(text_of(*answer, "model")), .vectors = json::array(request.input.size())};
    for (const json::value& value : data->get_array()) {
      const json::object* item = value.if_object();
      const json::value* vector = item == nullptr ? nullptr : item->if_contains("embedding");
      const std::uint64_t index = item == nullptr ? 0 : count_of(*item, "index");
      if (vector == nullptr || !vector->is_array() || index >= out.vectors.size() || !out.vectors[index].is_null())
        return unreadable();
      out.vectors[index] = *vector;
    }
    out.usage = usage_of(*answer);
    return out;
  }
};

}  // namespace

const Dialect& openai_dialect() noexcept {
  static const OpenAi dialect;
  return dialect;
}

}  // namespace models
