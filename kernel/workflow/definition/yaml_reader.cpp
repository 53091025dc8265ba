#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <optional>
#include <streambuf>
#include <unordered_map>
#include <unordered_set>

#include "kernel/workflow/definition/syntax.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition::syntax {
namespace {

using base::Error;
using base::ErrorCode;

/// Thrown by our handler through the parser and caught at the one call below.
struct Refused {
  Error error;
};

constexpr std::size_t aliases_max = 100;
/// Text that aliases may repeat, all together.
constexpr std::size_t repeated_bytes_max = 1'000'000;

Position place(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1, static_cast<std::size_t>(mark.pos)};
}

[[noreturn]] void refuse(const Position& at, std::string message, ErrorCode code = ErrorCode::invalid) {
  throw Refused{Error(code, std::move(message)).at(at.line, at.column)};
}

std::size_t count(const Node& node) {
  std::size_t total = 1;
  for (const Node& item : node.items) total += count(item);
  for (const Entry& entry : node.entries) total += count(entry.value);
  return total;
}

std::size_t text_bytes(const Node& node) {
  std::size_t total = node.text.size();
  for (const Node& item : node.items) total += text_bytes(item);
  for (const Entry& entry : node.entries) total += entry.key.size() + text_bytes(entry.value);
  return total;
}

int depth_of(const Node& node) {
  int below = 0;
  for (const Node& item : node.items) below = std::max(below, depth_of(item));
  for (const Entry& entry : node.entries) below = std::max(below, depth_of(entry.value));
  return below + 1;
}

/// Builds the tree from the parser's events.
class TreeBuilder final : public YAML::EventHandler {
 public:
  [[nodiscard]] std::optional<Node> take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_) refuse(place(mark), "a second document stands in the text; one definition is one document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.position = place(mark);
    count_node(node.position);
    finish(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Position at = place(mark);
    if (++aliases_ > aliases_max) {
      refuse(at, fmt::format("more than {} aliases", aliases_max), ErrorCode::too_large);
    }
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) refuse(at, "an alias stands inside its own anchor");
    const Node& target = found->second;
    nodes_ += count(target);
    if (nodes_ > nodes_max) refuse_nodes(at);
    repeated_bytes_ += text_bytes(target);
    if (repeated_bytes_ > repeated_bytes_max) {
      refuse(at, fmt::format("aliases repeat more than {} bytes of text", repeated_bytes_max), ErrorCode::too_large);
    }
    if (depth_of(target) + static_cast<int>(open_.size()) > depth_max) refuse_depth(at);
    finish(target, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    node.position = place(mark);
    count_node(node.position);
    if (tag == "!" || tag == "tag:yaml.org,2002:str") {
      node.kind = Node::Kind::string;
      node.text = value;
    } else if (tag == "?" || tag.empty()) {
      plain(value, node);
    } else if (tag == "tag:yaml.org,2002:int" || tag == "tag:yaml.org,2002:float" || tag == "tag:yaml.org,2002:bool" ||
               tag == "tag:yaml.org,2002:null") {
      plain(value, node);
      if (node.kind == Node::Kind::string) refuse(node.position, fmt::format("'{}' is no value of tag {}", value, tag));
    } else {
      refuse(node.position, fmt::format("the tag '{}' is not known; leave it out", tag));
    }
    finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, tag, "tag:yaml.org,2002:seq", anchor, Node::Kind::sequence);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, tag, "tag:yaml.org,2002:map", anchor, Node::Kind::mapping);
  }
  void OnMapEnd() override { end(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    bool key_read = false;
    std::string key;
    Position key_position;
    std::unordered_set<std::string> keys;
  };

  [[noreturn]] static void refuse_nodes(const Position& at) {
    refuse(at, fmt::format("more than {} nodes", nodes_max), ErrorCode::too_large);
  }
  [[noreturn]] static void refuse_depth(const Position& at) {
    refuse(at, fmt::format("more than {} levels of nesting", depth_max), ErrorCode::too_large);
  }

  static void plain(const std::string& value, Node& node) {
    if (!resolve_plain(value, node))
      refuse(node.position, fmt::format("'{}' has no JSON form; quote it to mean text", value));
  }

  void count_node(const Position& at) {
    if (++nodes_ > nodes_max) refuse_nodes(at);
  }

  void begin(const YAML::Mark& mark, const std::string& tag, std::string_view own_tag, YAML::anchor_t anchor,
             Node::Kind kind) {
    const Position at = place(mark);
    count_node(at);
    if (static_cast<int>(open_.size()) >= depth_max) refuse_depth(at);
    if (tag != "?" && tag != "!" && !tag.empty() && tag != own_tag) {
      refuse(at, fmt::format("the tag '{}' is not known; leave it out", tag));
    }
    if (!open_.empty() && open_.back().node.is_mapping() && !open_.back().key_read) {
      refuse(at, fmt::format("a key must be a string, not {}", describe(kind)));
    }
    Open open;
    open.node.kind = kind;
    open.node.position = at;
    open.anchor = anchor;
    open_.push_back(std::move(open));
    TRV_ENSURES(static_cast<int>(open_.size()) <= depth_max);
  }

  void end() {
    TRV_EXPECTS(!open_.empty());
    Open open = std::move(open_.back());
    open_.pop_back();
    finish(std::move(open.node), open.anchor);
  }

  void finish(Node node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    TRV_ASSERT(parent.node.is_sequence() || parent.node.is_mapping());
    if (parent.node.is_sequence()) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key_read) {
      if (!node.is_string()) {
        refuse(node.position, fmt::format("a key must be a string, not {}; quote it", describe(node.kind)));
      }
      if (!parent.keys.insert(node.text).second) {
        refuse(node.position, fmt::format("the key '{}' stands twice", node.text));
      }
      parent.key = std::move(node.text);
      parent.key_position = node.position;
      parent.key_read = true;
    } else {
      parent.node.entries.push_back({std::move(parent.key), parent.key_position, std::move(node)});
      parent.key_read = false;
    }
  }

  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Node> anchors_;
  std::optional<Node> root_;
  std::size_t nodes_ = 0;
  std::size_t aliases_ = 0;
  std::size_t repeated_bytes_ = 0;
};

/// Reads a borrowed text without copying it.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // a get area is never written to
    setg(begin, begin, begin + text.size());
  }
};

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// [-+]? digits, without the leading zeros that JSON refuses.
std::string decimal(std::string_view text) {
  TRV_EXPECTS(!text.empty());
  std::string out;
  if (text.front() == '-' || text.front() == '+') {
    if (text.front() == '-') out.push_back('-');
    text.remove_prefix(1);
  }
  const std::size_t first = std::min(text.find_first_not_of('0'), text.size() - 1);
  out += text.substr(first);
  return out == "-0" ? "0" : out;
}

bool is_based(std::string_view text, std::string_view prefix, std::string_view digits) {
  return text.starts_with(prefix) && text.size() > 2 &&
         text.substr(2).find_first_not_of(digits) == std::string_view::npos;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, as a JSON number; empty where it is none.
std::string floating(std::string_view text) {
  TRV_EXPECTS(!text.empty());
  std::string out;
  if (text.front() == '-' || text.front() == '+') {
    if (text.front() == '-') out.push_back('-');
    text.remove_prefix(1);
  }
  const std::size_t exponent_at = std::min(text.find_first_of("eE"), text.size());
  const std::string_view mantissa = text.substr(0, exponent_at);
  const std::size_t dot = std::min(mantissa.find('.'), mantissa.size());
  const std::string_view whole = mantissa.substr(0, dot);
  const std::string_view fraction = dot < mantissa.size() ? mantissa.substr(dot + 1) : std::string_view();
  if (whole.empty() && fraction.empty()) return {};
  if ((!whole.empty() && !all_digits(whole)) || (!fraction.empty() && !all_digits(fraction))) return {};
  out += whole.empty() ? "0" : decimal(whole);
  if (!fraction.empty()) {
    out.push_back('.');
    out += fraction;
  }
  if (exponent_at < text.size()) {
    std::string_view exponent = text.substr(exponent_at + 1);
    out.push_back('e');
    if (!exponent.empty() && (exponent.front() == '-' || exponent.front() == '+')) {
      out.push_back(exponent.front());
      exponent.remove_prefix(1);
    }
    if (!all_digits(exponent)) return {};
    out += exponent;
  }
  return out;
}

}  // namespace

bool resolve_plain(std::string_view text, Node& node) {
  using Kind = Node::Kind;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    node.kind = Kind::null;
    return true;
  }
  if (text == "true" || text == "True" || text == "TRUE" || text == "false" || text == "False" || text == "FALSE") {
    node.kind = Kind::boolean;
    node.boolean = text.front() == 't' || text.front() == 'T';
    return true;
  }
  const std::string_view unsigned_text = text.front() == '-' || text.front() == '+' ? text.substr(1) : text;
  if (all_digits(unsigned_text)) {
    node.kind = Kind::integer;
    node.text = decimal(text);
    return true;
  }
  const bool octal = is_based(text, "0o", "01234567");
  if (octal || is_based(text, "0x", "0123456789abcdefABCDEF")) {
    node.kind = Kind::integer;
    const std::string digits(text.substr(2));
    if (digits.size() > (octal ? 21 : 15)) return false;
    node.text = std::to_string(std::strtoull(digits.c_str(), nullptr, octal ? 8 : 16));
    return true;
  }
  node.kind = Kind::string;
  node.text = text;
  static constexpr std::string_view unbounded[] = {".inf", ".Inf", ".INF"};
  for (const std::string_view word : unbounded) {
    if (unsigned_text == word) return false;
  }
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return false;
  if (!unsigned_text.empty() && (unsigned_text.front() == '.' || all_digits(unsigned_text.substr(0, 1)))) {
    if (std::string number = floating(text); !number.empty()) {
      node.kind = Kind::number;
      node.text = std::move(number);
    }
  }
  return true;
}

base::Result<Node> read_yaml(std::string_view text) {
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  try {
    YAML::Parser parser(stream);
    TreeBuilder builder;
    while (parser.HandleNextDocument(builder)) {
    }
    std::optional<Node> root = builder.take();
    if (!root) return base::fail(Error(ErrorCode::invalid, "the text holds no document").at(1, 1));
    return *std::move(root);
  } catch (const Refused& refused) {
    return base::fail(refused.error);
  } catch (const YAML::Exception& exception) {
    const Position at = place(exception.mark);
    return base::fail(Error(ErrorCode::invalid, fmt::format("not YAML: {}", exception.msg)).at(at.line, at.column));
  } catch (const std::exception& exception) {
    return base::fail(ErrorCode::invalid, fmt::format("not YAML: {}", exception.what()));
  }
}

}  // namespace trv::definition::syntax
