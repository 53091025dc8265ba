#include "kernel/workflow/definition/node.hpp"

#include <charconv>

#include "kernel/json/serialize.hpp"

namespace trv::definition {

const Node* Node::find(std::string_view key) const noexcept {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::string_view describe(Node::Kind kind) noexcept {
  switch (kind) {
    case Node::Kind::null: return "null";
    case Node::Kind::boolean: return "a boolean";
    case Node::Kind::integer: return "an integer";
    case Node::Kind::number: return "a number";
    case Node::Kind::string: return "a string";
    case Node::Kind::sequence: return "a sequence";
    case Node::Kind::mapping: return "a mapping";
  }
  return "a node";
}

namespace {

void append(std::string& out, const Node& node) {
  switch (node.kind) {
    case Node::Kind::null: out += "null"; return;
    case Node::Kind::boolean: out += node.boolean ? "true" : "false"; return;
    case Node::Kind::integer:
    case Node::Kind::number: out += node.text; return;
    case Node::Kind::string: json::append_string(out, node.text); return;
    case Node::Kind::sequence: {
      out.push_back('[');
      bool first = true;
      for (const Node& item : node.items) {
        if (!first) out.push_back(',');
        first = false;
        append(out, item);
      }
      out.push_back(']');
      return;
    }
    case Node::Kind::mapping: {
      out.push_back('{');
      bool first = true;
      for (const Entry& entry : node.entries) {
        if (!first) out.push_back(',');
        first = false;
        json::append_string(out, entry.key);
        out.push_back(':');
        append(out, entry.value);
      }
      out.push_back('}');
      return;
    }
  }
}

}  // namespace

std::string pointer_part(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

const Node* at_pointer(const Node& root, std::string_view pointer) {
  const Node* node = &root;
  while (!pointer.empty() && node != nullptr) {
    if (pointer.front() != '/') return nullptr;
    pointer.remove_prefix(1);
    const std::string_view part = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(part.size());
    const Node* found = nullptr;
    for (const Entry& entry : node->entries) {
      if (pointer_part(entry.key) == part) found = &entry.value;
    }
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = error == std::errc() && end == part.data() + part.size();
    if (is_index && index < node->items.size()) found = &node->items[index];
    node = found;
  }
  return node;
}

std::string to_json(const Node& node) {
  std::string out;
  append(out, node);
  return out;
}

}  // namespace trv::definition
