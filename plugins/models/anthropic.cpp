// Anthropic's Messages (platform.claude.com/docs/en/api/messages), version 2026-10-21, and 2023-06-01, which takes
// more.

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "plugins/models/exchange.hpp"
#include "plugins/models/failure.hpp"
#include "plugins/models/pieces.hpp"

namespace models {
namespace {

using namespace trv::sdk;

// The service requires a limit; rows of the catalogue may have another.
constexpr std::int64_t max_tokens_otherwise = 4'096;

json::array blocks_of(const Message& message) {
  json::array blocks;
  for (const Part& part : message.parts) {
    if (!part.media_type.empty()) {
      blocks.push_back(json::object{
          {"type", "image"},
          {"source", json::object{{"type", "base64"}, {"media_type", part.media_type}, {"data", part.data}}}});
    } else if (!part.text.empty()) {  // an empty block is refused
      blocks.push_back(json::object{{"type", "text"}, {"text", part.text}});
    }
  }
  return blocks;
}

/// Turns alternate: what several messages of one side hold is one turn.
class Turns {
 public:
  void add(std::string_view role, json::array blocks) {
    if (blocks.empty()) return;
    if (turns_.empty() || role != role_) {
      turns_.push_back(json::object{{"role", role}, {"content", json::array()}});
      role_ = role;
    }
    json::array& content = turns_.back().get_object()["content"].get_array();
    for (json::value& block : blocks) content.push_back(std::move(block));
  }
  json::array take() { return std::move(turns_); }

 private:
  json::array turns_;
  std::string role_;
};

json::array turns_of(const ChatRequest& request) {
  Turns turns;
  for (const Message& message : request.messages) {
    switch (message.role) {
      case Role::system: break;
      case Role::user: turns.add("user", blocks_of(message)); break;
      case Role::tool:
        turns.add("user", {json::object{{"type", "tool_result"},
                                        {"tool_use_id", message.tool_call_id},
                                        {"content", blocks_of(message)}}});
        break;
      case Role::assistant: {
        json::array blocks = blocks_of(message);
        for (const ToolCall& call : message.tool_calls)
          blocks.push_back(
              json::object{{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", call.arguments}});
        turns.add("assistant", std::move(blocks));
        break;
      }
    }
  }
  return turns.take();
}

json::object tool_of(std::string_view name, std::string_view description, json::object parameters) {
  if (!parameters.contains("type")) parameters["type"] = "object";
  json::object tool = {{"name", name}, {"input_schema", std::move(parameters)}};
  if (!description.empty()) tool["description"] = description;
  return tool;
}

void write_tools(const Provider& provider, const ChatRequest& request, json::object& body) {
  json::array tools;
  for (const Tool& tool : request.tools) tools.push_back(tool_of(tool.name, tool.description, tool.parameters));
  json::object choice;
  if (request.tool_choice == ToolChoice::none) choice = {{"type", "none"}};
  if (request.tool_choice == ToolChoice::required) choice = {{"type", "any"}};
  if (request.tool_choice == ToolChoice::named) choice = {{"type", "tool"}, {"name", request.tool_name}};
  if (request.output && provider.structured_output == StructuredOutput::tool) {
    tools.push_back(tool_of(request.output->name, "Gives the answer.", request.output->schema));
    choice = request.tools.empty() ? json::object{{"type", "tool"}, {"name", request.output->name}}
                                   : json::object{{"type", "any"}};
  }
  if (tools.empty()) return;
  body["tools"] = std::move(tools);
  if (!choice.empty()) body["tool_choice"] = std::move(choice);
}

std::string system_of(const Provider& provider, const ChatRequest& request) {
  std::string system = request.instructions();
  if (request.output && provider.structured_output == StructuredOutput::object)
    system += (system.empty() ? "" : "\n\n") + in_words(*request.output);
  return system;
}

/// Counts in `usage` replace those that are known: the last event of a stream has the final ones.
void take_usage(const json::object& usage, std::map<std::string, std::uint64_t, std::less<>>& counts) {
  for (const auto& member : usage)
    if (member.value().is_number()) counts[std::string(member.key())] = count_of(usage, member.key());
  if (const json::object* details = object_of(usage, "output_tokens_details"))
    for (const auto& member : *details)
      if (member.key() == "thinking_tokens") counts["thinking_tokens"] = count_of(*details, member.key());
}

/// An answer as it grows.
class Collector {
 public:
  void take_message(const json::object& message) {
    answer_.id = text_of(message, "id");
    answer_.model = text_of(message, "model");
    if (const json::object* usage = object_of(message, "usage")) take_usage(*usage, counts_);
    take_stop(message);
    const json::value* content = message.if_contains("content");
    if (content == nullptr || !content->is_array()) return;
    std::uint64_t index = 0;
    for (const json::value& block : content->get_array())
      if (const json::object* object = block.if_object()) take_block(index++, *object);
  }

  void take_event(const json::object& event) {
    const std::string_view type = text_of(event, "type");
    const std::uint64_t index = count_of(event, "index");
    if (type == "message_start") {
      if (const json::object* message = object_of(event, "message")) take_message(*message);
    } else if (type == "content_block_start") {
      if (const json::object* block = object_of(event, "content_block")) take_block(index, *block);
    } else if (type == "content_block_delta") {
      if (const json::object* delta = object_of(event, "delta")) take_delta(index, *delta);
    } else if (type == "message_delta") {
      if (const json::object* delta = object_of(event, "delta")) take_stop(*delta);
      if (const json::object* usage = object_of(event, "usage")) take_usage(*usage, counts_);
    } else if (type == "message_stop") {
      is_whole_ = true;
    }
  }

  void set_whole() noexcept { is_whole_ = true; }
  [[nodiscard]] std::string new_text() { return std::exchange(new_text_, {}); }
  [[nodiscard]] bool is_whole() const noexcept { return is_whole_ && !stop_reason_.empty(); }

  Answer answer() {
    for (auto& [index, block] : blocks_) {
      answer_.text += block.text;
      answer_.reasoning += block.reasoning;
      if (!block.is_tool) continue;
      if (!block.arguments.empty()) read_arguments(block.arguments, block.call);
      answer_.tool_calls.push_back(std::move(block.call));
    }
    if (stop_reason_ == "max_tokens" || stop_reason_ == "model_context_window_exceeded") answer_.stop = Stop::length;
    if (stop_reason_ == "stop_sequence") answer_.stop = Stop::stop_sequence;
    if (stop_reason_ == "tool_use") answer_.stop = Stop::tool_calls;
    if (stop_reason_ == "refusal") answer_.stop = Stop::refused;
    const std::uint64_t cached = counts_["cache_read_input_tokens"];
    const std::uint64_t written = counts_["cache_creation_input_tokens"];
    // What was cached is not in their count of the input.
    answer_.usage = Usage{.input = counts_["input_tokens"] + cached + written,
                          .cached_input = cached,
                          .cache_write = written,
                          .output = counts_["output_tokens"],
                          .reasoning = counts_["thinking_tokens"]};
    return std::move(answer_);
  }

 private:
  struct Block {
    std::string text = {};
    std::string reasoning = {};
    bool is_tool = false;
    ToolCall call = {};
    std::string arguments = {};  ///< pieces of JSON
  };

  void take_stop(const json::object& from) {
    if (const std::string_view reason = text_of(from, "stop_reason"); !reason.empty()) stop_reason_ = reason;
  }

  void add_text(Block& block, std::string_view text) {
    block.text += text;
    new_text_ += text;
  }

  void take_block(std::uint64_t index, const json::object& from) {
    Block& block = blocks_[index];
    const std::string_view type = text_of(from, "type");
    if (type == "text") add_text(block, text_of(from, "text"));
    if (type == "thinking") block.reasoning += text_of(from, "thinking");
    if (type != "tool_use") return;
    block.is_tool = true;
    block.call.id = text_of(from, "id");
    block.call.name = text_of(from, "name");
    if (const json::object* input = object_of(from, "input")) block.call.arguments = *input;
  }

  void take_delta(std::uint64_t index, const json::object& delta) {
    Block& block = blocks_[index];
    const std::string_view type = text_of(delta, "type");
    if (type == "text_delta") add_text(block, text_of(delta, "text"));
    if (type == "thinking_delta") block.reasoning += text_of(delta, "thinking");
    if (type == "input_json_delta") block.arguments += text_of(delta, "partial_json");
  }

  Answer answer_;
  std::string new_text_;
  std::map<std::uint64_t, Block> blocks_;
  std::map<std::string, std::uint64_t, std::less<>> counts_;
  std::string stop_reason_;
  bool is_whole_ = false;
};

class Reader final : public AnswerReader {
 public:
  Reader(const Provider& provider, const ChatRequest& request) : provider_(provider), request_(request) {}

  bool add(std::string_view bytes) override {
    pieces_.add(bytes);
    while (const auto data = pieces_.next())
      if (!take(*data)) return false;
    return true;
  }

  std::string new_text() override { return collector_.new_text(); }

  Read<Answer> finish() override {
    if (const auto object = pieces_.object()) take(*object);
    if (failure_) return *failure_;
    if (count_ == 0)
      return failure_of(Kind::unreadable, provider_, request_.model, "the answer is not one of this dialect");
    if (!collector_.is_whole())
      return failure_of(Kind::cut, provider_, request_.model, "the answer ended before its end");
    return collector_.answer();
  }

 private:
  bool take(std::string_view text) {
    const auto event = parse_object(text);
    if (!event) {
      failure_ = failure_of(Kind::unreadable, provider_, request_.model, "a piece of the answer is not a JSON object");
    } else if (text_of(*event, "type") == "error") {
      failure_ = error_in_answer(provider_, request_.model, *event);
    } else {
      ++count_;
      if (text_of(*event, "type") == "message") {
        collector_.take_message(*event);
        collector_.set_whole();
      } else {
        collector_.take_event(*event);
      }
    }
    return !failure_;
  }

  const Provider& provider_;
  const ChatRequest& request_;
  Pieces pieces_;
  Collector collector_;
  std::optional<Failure> failure_;
  std::size_t count_ = 0;
};

class Anthropic final : public Dialect {
 public:
  [[nodiscard]] Request chat(const Provider& provider, const ChatRequest& request) const override {
    const std::int64_t tokens_otherwise =
        provider.max_tokens_default > 0 ? provider.max_tokens_default : max_tokens_otherwise;
    json::object body = {{"model", request.model},
                         {"max_tokens", request.max_tokens.value_or(tokens_otherwise)},
                         {"messages", turns_of(request)}};
    if (const std::string system = system_of(provider, request); !system.empty()) body["system"] = system;
    write_tools(provider, request, body);
    if (request.output && provider.structured_output == StructuredOutput::schema)
      body["output_config"] =
          json::object{{"format", json::object{{"type", "json_schema"}, {"schema", request.output->schema}}}};
    if (request.temperature) body["temperature"] = *request.temperature;
    if (request.top_p) body["top_p"] = *request.top_p;
    if (!request.stop.empty()) body["stop_sequences"] = json::value_from(request.stop);
    if (provider.stream) body["stream"] = true;
    merge(body, request.extra);
    return post("/messages").header("anthropic-version", provider.api_version).json(body);
  }

  [[nodiscard]] std::unique_ptr<AnswerReader> read_chat(const Provider& provider,
                                                        const ChatRequest& request) const override {
    return std::make_unique<Reader>(provider, request);
  }

  [[nodiscard]] Request embed(const Provider&, const EmbedRequest&) const override {
    return post("/embeddings");  // rows of this dialect have no embeddings
  }
  [[nodiscard]] Read<Embeddings> read_embed(const Provider& provider, const EmbedRequest& request,
                                            std::string_view) const override {
    return failure_of(Kind::invalid_request, provider, request.model, "has no embeddings");
  }
};

}  // namespace

const Dialect& anthropic_dialect() noexcept {
  static const Anthropic dialect;
  return dialect;
}

}  // namespace models
