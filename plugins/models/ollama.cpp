// Ollama's own API (github.com/ollama/ollama, docs/api.md).

#include <string>
#include <string_view>
#include <utility>

#include "plugins/models/exchange.hpp"
#include "plugins/models/failure.hpp"

namespace models {
namespace {

using namespace trv::sdk;

constexpr std::string_view role_names[] = {"system", "user", "assistant", "tool"};

/// Ollama knows results of tools by the tool's name.
std::string tool_name_of(const ChatRequest& request, const std::string& call_id) {
  for (const Message& message : request.messages)
    for (const ToolCall& call : message.tool_calls)
      if (call.id == call_id) return call.name;
  return call_id;
}

json::object message_of(const ChatRequest& request, const Message& message) {
  json::object out = {{"role", role_names[static_cast<std::size_t>(message.role)]}, {"content", message.text()}};
  if (message.role == Role::tool) out["tool_name"] = tool_name_of(request, message.tool_call_id);
  json::array images;
  for (const Part& part : message.parts)
    if (!part.media_type.empty()) images.emplace_back(part.data);
  if (!images.empty()) out["images"] = std::move(images);
  if (message.tool_calls.empty()) return out;
  json::array calls;
  for (const ToolCall& call : message.tool_calls)
    calls.push_back(json::object{{"function", json::object{{"name", call.name}, {"arguments", call.arguments}}}});
  out["tool_calls"] = std::move(calls);
  return out;
}

void write_tools(const ChatRequest& request, json::object& body) {
  // There is no choice of tools: those that must not be called are not offered.
  if (request.tools.empty() || request.tool_choice == ToolChoice::none) return;
  json::array tools;
  for (const Tool& tool : request.tools) {
    if (request.tool_choice == ToolChoice::named && tool.name != request.tool_name) continue;
    tools.push_back(json::object{
        {"type", "function"},
        {"function",
         json::object{{"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}}}});
  }
  body["tools"] = std::move(tools);
}

json::object options_of(const Provider& provider, const ChatRequest& request) {
  json::object options;
  const std::int64_t tokens = request.max_tokens.value_or(provider.max_tokens_default);
  if (tokens > 0) options["num_predict"] = tokens;
  if (request.temperature) options["temperature"] = *request.temperature;
  if (request.top_p) options["top_p"] = *request.top_p;
  if (request.seed) options["seed"] = *request.seed;
  if (!request.stop.empty()) options["stop"] = json::value_from(request.stop);
  return options;
}

std::optional<Usage> usage_of(const json::object& body) {
  if (!body.contains("prompt_eval_count") && !body.contains("eval_count")) return std::nullopt;
  return Usage{.input = count_of(body, "prompt_eval_count"), .output = count_of(body, "eval_count")};
}

/// An answer as it grows. A whole answer is one piece of it.
class Collector {
 public:
  void take(const json::object& piece) {
    if (answer_.model.empty()) answer_.model = text_of(piece, "model");
    if (const json::object* message = object_of(piece, "message")) take_message(*message);
    const json::value* done = piece.if_contains("done");
    if (done == nullptr || !done->is_bool() || !done->get_bool()) return;
    is_whole_ = true;
    if (text_of(piece, "done_reason") == "length") answer_.stop = Stop::length;
    answer_.usage = usage_of(piece);
  }

  [[nodiscard]] std::string new_text() { return answer_.text.substr(std::exchange(given_, answer_.text.size())); }
  [[nodiscard]] bool is_whole() const noexcept { return is_whole_; }

  Answer answer() {
    if (answer_.stop == Stop::end && !answer_.tool_calls.empty()) answer_.stop = Stop::tool_calls;
    return std::move(answer_);
  }

 private:
  void take_message(const json::object& message) {
    answer_.text += text_of(message, "content");
    answer_.reasoning += text_of(message, "thinking");
    const json::value* calls = message.if_contains("tool_calls");
    if (calls == nullptr || !calls->is_array()) return;
    for (const json::value& value : calls->get_array()) {
      const json::object* call = value.if_object();
      const json::object* function = call == nullptr ? nullptr : object_of(*call, "function");
      if (function == nullptr) continue;
      ToolCall out{.id = std::string(text_of(*call, "id")), .name = std::string(text_of(*function, "name"))};
      if (out.id.empty()) out.id = "call_" + std::to_string(answer_.tool_calls.size() + 1);
      if (const json::object* arguments = object_of(*function, "arguments")) out.arguments = *arguments;
      answer_.tool_calls.push_back(std::move(out));
    }
  }

  Answer answer_;
  std::size_t given_ = 0;  // bytes of the text that new_text() has given
  bool is_whole_ = false;
};

/// Each line is a piece.
class Reader final : public AnswerReader {
 public:
  Reader(const Provider& provider, const ChatRequest& request) : provider_(provider), request_(request) {}

  bool add(std::string_view bytes) override {
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      line_ += bytes.substr(0, end);
      if (end == std::string_view::npos) break;
      bytes.remove_prefix(end + 1);
      if (!take(std::exchange(line_, {}))) return false;
    }
    return true;
  }

  std::string new_text() override { return collector_.new_text(); }

  Read<Answer> finish() override {
    if (!line_.empty()) take(line_);
    if (failure_) return *failure_;
    if (!collector_.is_whole())
      return failure_of(Kind::cut, provider_, request_.model, "the answer ended before its end");
    return collector_.answer();
  }

 private:
  bool take(std::string_view line) {
    if (has_broken_line_) return refuse();
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return true;
    const auto piece = parse_object(line);
    // A line that the end cut in two does not show another dialect.
    has_broken_line_ = !piece && count_ > 0;
    if (has_broken_line_) return true;
    if (!piece) return refuse();
    if (piece->contains("error")) {
      failure_ = error_in_answer(provider_, request_.model, *piece);
      return false;
    }
    ++count_;
    collector_.take(*piece);
    return true;
  }

  bool refuse() {
    failure_ = failure_of(Kind::unreadable, provider_, request_.model, "the answer is not one of this dialect");
    return false;
  }

  const Provider& provider_;
  const ChatRequest& request_;
  std::string line_;
  Collector collector_;
  std::optional<Failure> failure_;
  std::size_t count_ = 0;
  bool has_broken_line_ = false;
};

class Ollama final : public Dialect {
 public:
  [[nodiscard]] Request chat(const Provider& provider, const ChatRequest& request) const override {
    json::array messages;
    if (request.output && provider.structured_output == StructuredOutput::object)
      messages.push_back(json::object{{"role", "system"}, {"content", in_words(*request.output)}});
    for (const Message& message : request.messages) messages.push_back(message_of(request, message));
    json::object body = {{"model", request.model}, {"messages", std::move(messages)}, {"stream", provider.stream}};
    write_tools(request, body);
    if (request.output && provider.structured_output == StructuredOutput::object) {
      body["format"] = "json";
    } else if (request.output) {
      body["format"] = request.output->schema;
    }
    if (json::object options = options_of(provider, request); !options.empty()) body["options"] = std::move(options);
    merge(body, request.extra);
    return post("/api/chat").json(body);
  }

  [[nodiscard]] std::unique_ptr<AnswerReader> read_chat(const Provider& provider,
                                                        const ChatRequest& request) const override {
    return std::make_unique<Reader>(provider, request);
  }

  [[nodiscard]] Request embed(const Provider&, const EmbedRequest& request) const override {
    json::object body = {{"model", request.model}, {"input", json::value_from(request.input)}};
    if (request.dimensions) body["dimensions"] = *request.dimensions;
    merge(body, request.extra);
    return post("/api/embed").json(body);
  }

  [[nodiscard]] Read<Embeddings> read_embed(const Provider& provider, const EmbedRequest& request,
                                            std::string_view body) const override {
    const auto answer = parse_object(body);
    const json::value* vectors = answer ? answer->if_contains("embeddings") : nullptr;
    const bool fits = vectors != nullptr && vectors->is_array() && vectors->get_array().size() == request.input.size();
    if (!fits)
      return failure_of(Kind::unreadable, provider, request.model, "the answer has not one vector for each text");
    return Embeddings{
        .model = std::string(text_of(*answer, "model")), .vectors = vectors->get_array(), .usage = usage_of(*answer)};
  }
};

}  // namespace

const Dialect& ollama_dialect() noexcept {
  static const Ollama dialect;
  return dialect;
}

}  // namespace models
