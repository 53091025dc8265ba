#include "kernel/cli/commands/language_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "kernel/cli/commands/block_yaml.hpp"
#include "kernel/cli/commands/operation_help.hpp"
#include "kernel/cli/commands/session.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/definition/fields.hpp"
#include "kernel/workflow/definition/outline.hpp"
#include "kernel/workflow/definition/places.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/line_of.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::cli {
namespace {

using base::line_of;
using base::trimmed;
using json::Value;

constexpr int parse_error = -32700;
constexpr int invalid_request = -32600;
constexpr int method_not_found = -32601;
constexpr int not_initialized = -32002;

constexpr std::size_t header_bytes_max = 4096;

std::string text_at(const Value& value, std::string_view member) {
  return member_text(value, member);
}

Value item(std::string_view label, std::string_view detail, int kind, std::string_view inserted = {}) {
  Value out = Value::object();
  out.set("label", label);
  out.set("kind", kind);
  if (!detail.empty()) out.set("documentation", detail);
  if (!inserted.empty()) out.set("insertText", inserted);
  return out;
}

Value item_of(const Offer& offer, int kind) {
  Value out = item(offer.label, offer.documentation, kind, offer.inserted);
  if (!offer.detail.empty()) out.set("detail", offer.detail);
  return out;
}

constexpr int kind_function = 3;
constexpr int kind_property = 10;
constexpr int kind_value = 12;

void names_in(const definition::Lane& lane, std::string_view pointer_name, std::vector<std::string>& out) {
  const bool has =
      std::ranges::any_of(lane.steps, [&](const definition::Step& step) { return step.name == pointer_name; });
  for (const definition::Step& step : lane.steps) {
    if (has) out.push_back(step.name);
    for (const definition::Lane& inner : step.lanes) names_in(inner, pointer_name, out);
  }
}

}  // namespace

bool LanguageServer::run() {
  while (!ends_) {
    const std::optional<std::string> frame = next_frame();
    if (!frame) break;
    if (!frame->empty()) handle(*frame);
  }
  return was_shut_down_;
}

std::optional<std::string> LanguageServer::next_frame() {
  std::optional<std::size_t> length;
  std::size_t read = 0;
  bool any = false;
  std::string line;
  for (;;) {
    const int c = in_.get();
    if (c == std::istream::traits_type::eof()) return std::nullopt;
    // What is not a header is skipped up to the next one, whatever its length.
    if (c != '\n') {
      if (++read <= header_bytes_max) line.push_back(static_cast<char>(c));
      continue;
    }
    const std::string_view header = trimmed(line);
    if (header.empty() && any) break;
    const std::size_t colon = header.find(':');
    if (colon != std::string_view::npos && base::equal_ignoring_case(header.substr(0, colon), "content-length")) {
      const std::string_view digits = trimmed(header.substr(colon + 1));
      std::size_t number = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
      if (error == std::errc() && end == digits.data() + digits.size()) length = number;
    }
    any = any || !header.empty();
    line.clear();
    read = 0;
  }
  if (!length) {
    refuse(Value(), invalid_request, "a frame begins with the header Content-Length");
    return std::string();
  }
  if (*length > frame_bytes_max) {
    refuse(Value(), invalid_request, fmt::format("a frame has at most {} bytes", frame_bytes_max));
    std::size_t left = *length;
    while (left > 0 && in_) {
      const std::size_t part = std::min<std::size_t>(left, frame_bytes_max);
      in_.ignore(static_cast<std::streamsize>(part));
      if (static_cast<std::size_t>(in_.gcount()) < part) return std::nullopt;
      left -= part;
    }
    return std::string();
  }
  std::string frame(*length, '\0');
  in_.read(frame.data(), static_cast<std::streamsize>(frame.size()));
  if (static_cast<std::size_t>(in_.gcount()) < frame.size()) return std::nullopt;
  return frame;
}

void LanguageServer::send(Value message) {
  message.set("jsonrpc", "2.0");
  const std::string text = json::serialize(message);
  out_ << "Content-Length: " << text.size() << "\r\n\r\n" << text << std::flush;
}

void LanguageServer::refuse(const Value& id, int code, std::string_view message) {
  Value error = Value::object();
  error.set("code", code);
  error.set("message", message);
  Value out = Value::object();
  out.set("id", id);
  out.set("error", std::move(error));
  send(std::move(out));
}

void LanguageServer::handle(std::string_view frame) {
  const auto message = json::parse(frame, {.bytes_max = frame_bytes_max});
  if (!message) return refuse(Value(), parse_error, message.error().message());
  const Value* id = message->find("id");
  const std::string method = text_at(*message, "method");
  if (!message->is_object() || method.empty()) {
    // An answer to a question: there are none.
    if (message->is_object() && (message->find("result") != nullptr || message->find("error") != nullptr)) return;
    return refuse(id == nullptr ? Value() : *id, invalid_request, "a message has a method");
  }
  const Value* given = message->find("params");
  const Value parameters = given == nullptr ? Value::object() : *given;
  if (method == "exit") {
    ends_ = true;
    return;
  }
  if (method == "initialize" && id != nullptr) {
    is_initialized_ = true;
  } else if (!is_initialized_) {
    if (id != nullptr) refuse(*id, not_initialized, "initialize comes first");
    return;
  }
  if (id == nullptr) {
    const Value* document = parameters.find("textDocument");
    const std::string uri = document == nullptr ? std::string() : text_at(*document, "uri");
    if (method == "textDocument/didOpen" && document != nullptr) return changed(uri, text_at(*document, "text"));
    if (method == "textDocument/didChange") {
      const Value* changes = parameters.find("contentChanges");
      if (changes == nullptr || !changes->is_array() || changes->size() == 0) return;
      return changed(uri, text_at(changes->items().back(), "text"));
    }
    if (method == "textDocument/didClose") documents_.erase(uri);
    return;
  }
  if (was_shut_down_) return refuse(*id, invalid_request, "the server was shut down");
  static const std::set<std::string_view> known = {"initialize",
                                                   "shutdown",
                                                   "textDocument/hover",
                                                   "textDocument/completion",
                                                   "textDocument/definition",
                                                   "textDocument/documentSymbol"};
  if (!known.contains(method)) return refuse(*id, method_not_found, fmt::format("there is no method '{}'", method));
  Value out = Value::object();
  out.set("id", *id);
  out.set("result", answer(method, parameters));
  send(std::move(out));
}

Value LanguageServer::answer(std::string_view method, const Value& parameters) {
  if (method == "initialize") return capabilities(parameters);
  if (method == "shutdown") {
    was_shut_down_ = true;
    return {};
  }
  const std::string uri = text_at(parameters, "textDocument.uri");
  const auto document = documents_.find(uri);
  if (document == documents_.end()) return {};
  if (method == "textDocument/documentSymbol") return symbols(document->second);
  const std::optional<Place> at = place_of(document->second, parameters);
  if (!at) return {};
  if (method == "textDocument/completion") return completion(document->second, *at);
  if (method == "textDocument/hover") return hover(document->second, *at);
  return definition_of(uri, document->second, *at);
}

Value LanguageServer::capabilities(const Value& parameters) {
  const Value* general = parameters.find("capabilities");
  const Value* part = general == nullptr ? nullptr : general->find("general");
  const Value* encodings = part == nullptr ? nullptr : part->find("positionEncodings");
  if (encodings != nullptr && encodings->is_array()) {
    for (const Value& one : encodings->items()) is_utf8_ = is_utf8_ || (one.is_string() && one.as_string() == "utf-8");
  }
  Value sync = Value::object();
  sync.set("openClose", true);
  sync.set("change", 1);
  Value completes = Value::object();
  completes.set("triggerCharacters", Value::array({Value(":"), Value(" ")}));
  Value can = Value::object();
  can.set("positionEncoding", is_utf8_ ? "utf-8" : "utf-16");
  can.set("textDocumentSync", std::move(sync));
  can.set("completionProvider", std::move(completes));
  can.set("hoverProvider", true);
  can.set("definitionProvider", true);
  can.set("documentSymbolProvider", true);
  Value self = Value::object();
  self.set("name", "trav");
  Value out = Value::object();
  out.set("capabilities", std::move(can));
  out.set("serverInfo", std::move(self));
  return out;
}

void LanguageServer::changed(const std::string& uri, std::string text) {
  if (!documents_.contains(uri) && documents_.size() >= documents_max) return;
  Document& document = documents_[uri];
  document.text = std::move(text);
  document.format = uri.ends_with(".json") ? definition::Format::json : definition::Format::yaml;
  Value parameters = Value::object();
  parameters.set("uri", uri);
  parameters.set("diagnostics", diagnostics(document));
  Value out = Value::object();
  out.set("method", "textDocument/publishDiagnostics");
  out.set("params", std::move(parameters));
  send(std::move(out));
}

Value LanguageServer::diagnostics(const Document& document) const {
  Value all = Value::array();
  for (const definition::Problem& problem : definition::check(document.text, document.format).problems) {
    const int line = std::max(problem.position.line, 1) - 1;
    const auto column = static_cast<std::size_t>(std::max(problem.position.column, 1) - 1);
    Value one = Value::object();
    one.set("range", range(document.text, line, column, static_cast<std::size_t>(std::max(problem.length, 1))));
    one.set("severity", problem.is_warning ? 2 : 1);
    one.set("source", "trav");
    one.set("message", base::to_valid_utf8(problem.message));
    if (!problem.suggestion.empty()) {
      Value data = Value::object();
      data.set("suggestion", problem.suggestion);
      one.set("data", std::move(data));
    }
    all.push_back(std::move(one));
  }
  return all;
}

Value LanguageServer::completion(const Document& document, const Place& at) {
  Value items = Value::array();
  const std::string_view line = line_of(document.text, at.line + 1);
  const std::string_view before = line.substr(0, std::min(at.byte, line.size()));
  const auto key = key_of(before);
  if (key && before.find(':') != std::string_view::npos) {
    const auto offer = [&](std::initializer_list<std::string_view> words) {
      for (const std::string_view word : words) items.push_back(item(word, {}, kind_value));
    };
    const auto keys = around(document.text, at.line, key->column);
    const std::string parent = keys.empty() ? std::string() : keys.front().name;
    if (key->name == "then") {
      offer({"continue", "exit", "end"});
      if (const auto root = definition::read(document.text, document.format)) {
        std::vector<std::string> names;
        // In a switch the case and the list are between the task and its `then`.
        for (const Key& one : keys) {
          if (names.empty() && one.is_item) names_in(definition::outline(*root), one.name, names);
        }
        for (const std::string& name : names) items.push_back(item(name, "a task of this list", kind_value));
      }
    } else if (key->name == "call") {
      offer({"http", "openapi", "mcp", "a2a"});
      for (const Offer& one : calls_offered(operations())) items.push_back(item_of(one, kind_function));
      if (const auto root = definition::read(document.text, document.format)) {
        const definition::Node* functions = definition::at_pointer(*root, "/use/functions");
        if (functions != nullptr) {
          for (const definition::Entry& entry : functions->entries) {
            items.push_back(item(entry.key, "a function of use.functions", kind_value));
          }
        }
      }
    } else if (key->name == "method") {
      offer({"get", "post", "put", "patch", "delete", "head", "options"});
    } else if (key->name == "output" && parent == "with") {
      offer({"content", "response", "raw"});
    } else if (key->name == "read") {
      offer({"data", "envelope", "raw"});
    } else if (key->name == "dsl") {
      offer({"'1.0.3'"});
    } else if (const auto place = input_place(operations(), document.text, keys)) {
      for (const Offer& one : values_offered(*place, key->name)) items.push_back(item_of(one, kind_value));
    } else if (key->name == "compete" || key->name == "await" || key->name == "redirect") {
      offer({"true", "false"});
    }
    return items;
  }
  const auto start = std::ranges::find_if_not(before.rbegin(), before.rend(), is_name).base();
  const auto column = static_cast<std::size_t>(start - before.begin());
  const auto keys = around(document.text, at.line, column);
  if (const auto place = input_place(operations(), document.text, keys)) {
    for (const Offer& one : members_offered(*place)) items.push_back(item_of(one, kind_property));
    return items;
  }
  std::string_view parent = keys.empty() ? std::string_view() : std::string_view(keys.front().name);
  // The name of an item of a list of tasks is the task's.
  const bool in_list = keys.size() > 1 && (keys[1].name == "do" || keys[1].name == "try" || keys[1].name == "branches");
  if (!keys.empty() && keys.front().is_item && (in_list || keys.size() == 1)) parent = "task";
  if (keys.size() > 1 && keys.front().is_item && keys[1].name == "switch") parent = "case";
  for (const definition::FieldHelp& field : definition::field_help()) {
    if (field.parent != parent) continue;
    items.push_back(item(field.name, field.sentence, kind_property, fmt::format("{}: ", field.name)));
  }
  return items;
}

const Operations& LanguageServer::operations() {
  if (!operations_ && source_) {
    auto found = source_();
    if (!found) {
      Value parameters = {{"type", 2}, {"message", "operations of plugins are not known: " + found.error().message()}};
      Value out = {{"method", "window/logMessage"}};
      out.set("params", std::move(parameters));
      send(std::move(out));
    }
    operations_ = found ? *std::move(found) : Operations();
  }
  static const Operations none;
  return operations_ ? *operations_ : none;
}

std::string LanguageServer::help_of(const Document& document, const Place& at, std::size_t begin,
                                    std::string_view word) {
  const std::string_view text = line_of(document.text, at.line + 1);
  const auto key = key_of(text);
  const bool is_value = key && begin > key->column + key->name.size();
  const auto keys = around(document.text, at.line, is_value ? key->column : begin);
  if (is_value && key->name == "call") {
    const KnownOperation* operation = find_operation(operations(), value_of(text));
    if (operation != nullptr) return shown(*operation);
  }
  if (const auto place = input_place(operations(), document.text, keys)) {
    if (std::string help = shown(*place, is_value ? key->name : std::string(word)); !help.empty()) return help;
  }
  std::string_view parent = keys.empty() ? std::string_view() : std::string_view(keys.front().name);
  if (!keys.empty() && keys.front().is_item) parent = "task";
  const std::string_view sentence = definition::help_for(parent, word);
  return sentence.empty() ? std::string() : fmt::format("{}: {}", word, sentence);
}

Value LanguageServer::hover(const Document& document, const Place& at) {
  const std::string_view line = line_of(document.text, at.line + 1);
  std::size_t begin = std::min(at.byte, line.size());
  while (begin > 0 && is_name(line[begin - 1])) --begin;
  std::size_t end = std::min(at.byte, line.size());
  while (end < line.size() && is_name(line[end])) ++end;
  const std::string_view word = line.substr(begin, end - begin);
  if (word.empty()) return {};
  const std::string help = help_of(document, at, begin, word);
  if (help.empty()) return {};
  Value contents = Value::object();
  contents.set("kind", "plaintext");
  contents.set("value", help);
  Value out = Value::object();
  out.set("contents", std::move(contents));
  out.set("range", range(document.text, at.line, begin, end - begin));
  return out;
}

Value LanguageServer::definition_of(const std::string& uri, const Document& document, const Place& at) const {
  const auto root = definition::read(document.text, document.format);
  if (!root) return {};
  std::vector<definition::Problem> here(1);
  here.front().position = {.line = at.line + 1, .column = static_cast<int>(at.byte) + 1};
  definition::locate(here, document.text, &*root);
  std::string pointer = here.front().pointer;
  const definition::Node* then = definition::at_pointer(*root, pointer);
  if (then == nullptr || !then->is_string() || !pointer.ends_with("/then")) return {};
  // /do/0/a/then, or /do/0/a/switch/1/case/then: the list that has a task of this name is the nearest around it.
  while (!pointer.empty()) {
    pointer.resize(pointer.rfind('/'));
    const definition::Node* list = definition::at_pointer(*root, pointer);
    if (list == nullptr || !list->is_sequence() || pointer.ends_with("/switch")) continue;
    for (const definition::Node& one : list->items) {
      if (one.entries.size() != 1 || one.entries.front().key != then->text) continue;
      const definition::Position& found = one.entries.front().position;
      Value out = Value::object();
      out.set("uri", uri);
      out.set("range", range(document.text, found.line - 1, static_cast<std::size_t>(found.column - 1),
                             one.entries.front().key.size()));
      return out;
    }
    return {};
  }
  return {};
}

Value LanguageServer::symbols(const Document& document) const {
  const auto root = definition::read(document.text, document.format);
  if (!root) return Value::array();
  const auto of = [&](const auto& self, const definition::Lane& lane) -> Value {
    Value all = Value::array();
    for (const definition::Step& step : lane.steps) {
      Value one = Value::object();
      one.set("name", step.name.empty() ? std::string("(no name)") : step.name);
      one.set("detail", step.detail.empty() ? step.kind : fmt::format("{} {}", step.kind, step.detail));
      one.set("kind", 12);
      const Value where = range(document.text, step.position.line - 1,
                                static_cast<std::size_t>(step.position.column - 1), step.name.size());
      one.set("range", where);
      one.set("selectionRange", where);
      Value children = Value::array();
      for (const definition::Lane& inner : step.lanes) {
        const Value below = self(self, inner);
        for (const Value& child : below.items()) children.push_back(child);
      }
      if (children.size() > 0) one.set("children", std::move(children));
      all.push_back(std::move(one));
    }
    return all;
  };
  return of(of, definition::outline(*root));
}

namespace {

/// UTF-16 units of a text; 1 for each byte that is not UTF-8.
std::size_t units_of(std::string_view text) {
  std::size_t units = 0;
  for (std::size_t at = 0; at < text.size();) units += base::next_code_point(text, at) > 0xFFFF ? 2 : 1;
  return units;
}

}  // namespace

std::optional<LanguageServer::Place> LanguageServer::place_of(const Document& document, const Value& parameters) const {
  const Value* at = parameters.find("position");
  const Value* line = at == nullptr ? nullptr : at->find("line");
  const Value* character = at == nullptr ? nullptr : at->find("character");
  if (line == nullptr || character == nullptr || !line->is_int() || !character->is_int()) return std::nullopt;
  if (line->as_int() < 0 || line->as_int() > 1'000'000 || character->as_int() < 0) return std::nullopt;
  Place place{.line = static_cast<int>(line->as_int())};
  const std::string_view text = line_of(document.text, place.line + 1);
  const auto wanted = static_cast<std::size_t>(character->as_int());
  if (is_utf8_) {
    place.byte = std::min(wanted, text.size());
    return place;
  }
  std::size_t units = 0;
  while (place.byte < text.size() && units < wanted) {
    units += base::next_code_point(text, place.byte) > 0xFFFF ? 2 : 1;
  }
  return place;
}

Value LanguageServer::position(std::string_view text, int line, std::size_t byte) const {
  const std::string_view whole = line_of(text, line + 1);
  const std::string_view before = whole.substr(0, std::min(byte, whole.size()));
  Value out = Value::object();
  out.set("line", line);
  out.set("character", static_cast<std::int64_t>(is_utf8_ ? before.size() : units_of(before)));
  return out;
}

Value LanguageServer::range(std::string_view text, int line, std::size_t byte, std::size_t length) const {
  Value out = Value::object();
  out.set("start", position(text, line, byte));
  out.set("end", position(text, line, byte + length));
  return out;
}

}  // namespace trv::cli
