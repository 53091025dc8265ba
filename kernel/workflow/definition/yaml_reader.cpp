// YAML 1.2 to a tree of nodes, from the events of libfyaml's parser.

#include <fmt/format.h>
#include <libfyaml.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "kernel/workflow/definition/syntax.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/frees.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::definition::syntax {
namespace {

using base::Error;
using base::ErrorCode;
using base::Status;

constexpr std::size_t aliases_max = 100;
/// Text that aliases may repeat, all together.
constexpr std::size_t repeated_bytes_max = 1'000'000;
/// Signs that begin or part values in brackets and braces, in one line. The parser reads all of a line before it says
/// what is in it.
constexpr std::size_t signs_in_line_max = 2 * nodes_max;

std::unexpected<Error> refuse(const Position& at, std::string message, ErrorCode code = ErrorCode::invalid) {
  return base::fail(Error(code, std::move(message)).at(at.line, at.column));
}

/// What copying a node costs.
struct Size {
  std::size_t nodes = 1;
  std::size_t bytes = 0;
  int depth = 1;
};

Size size_of(const Node& node) {
  Size size{.bytes = node.text.size()};
  const auto add = [&](const Node& child) {
    const Size below = size_of(child);
    size.nodes += below.nodes;
    size.bytes += below.bytes;
    size.depth = std::max(size.depth, below.depth + 1);
  };
  for (const Node& item : node.items) add(item);
  for (const Entry& entry : node.entries) {
    size.bytes += entry.key.size();
    add(entry.value);
  }
  return size;
}

std::string_view text_of(fy_token* token) {
  if (token == nullptr) return {};
  std::size_t length = 0;
  const char* text = fy_token_get_text(token, &length);
  return text == nullptr ? std::string_view() : std::string_view(text, length);
}

/// Where the lines of a text begin: the parser counts characters, positions count bytes.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') starts_.push_back(i + 1);
    }
  }

  [[nodiscard]] Position at(std::size_t offset) const {
    offset = std::min(offset, text_.size());
    const auto after = std::ranges::upper_bound(starts_, offset);
    TRV_ASSERT(after != starts_.begin());
    return {static_cast<int>(after - starts_.begin()), static_cast<int>(offset - *(after - 1)) + 1, offset};
  }
  /// Line and column from 1, the column in characters.
  [[nodiscard]] Position at(int line, int column) const {
    const std::size_t index = std::min(static_cast<std::size_t>(std::max(line, 1)), starts_.size()) - 1;
    const std::string_view rest = text_.substr(starts_[index]);
    const auto characters = static_cast<std::size_t>(std::max(column, 1) - 1);
    return at(starts_[index] + base::code_point_offset(rest.substr(0, rest.find('\n')), characters));
  }
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  [[nodiscard]] int count() const noexcept { return static_cast<int>(starts_.size()); }
  /// The text of a line, without its end; empty behind the last one.
  [[nodiscard]] std::string_view line(int number) const {
    TRV_EXPECTS(number >= 1);
    if (number > count()) return {};
    const std::string_view rest = text_.substr(starts_[static_cast<std::size_t>(number) - 1]);
    return rest.substr(0, rest.find_first_of("\r\n"));
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_{0};
};

/// Builds the tree from the parser's events.
class TreeBuilder {
 public:
  explicit TreeBuilder(std::string_view text) : lines_(text) {}

  [[nodiscard]] const Lines& lines() const noexcept { return lines_; }
  [[nodiscard]] base::Result<Node> take() {
    if (!root_) return refuse({}, "the text has no content; expected a mapping with the field 'document'");
    TRV_TRY(check_tabs());
    return *std::move(root_);
  }

  Status take(const fy_event& event) {
    switch (event.type) {
      case FYET_DOCUMENT_START: return document(event.document_start);
      case FYET_ALIAS: return alias(event.alias.anchor);
      case FYET_SCALAR: return scalar(event.scalar);
      case FYET_SEQUENCE_START: {
        const fy_event_sequence_start_data& start = event.sequence_start;
        return begin(start.sequence_start, start.anchor, start.tag, Node::Kind::sequence);
      }
      case FYET_MAPPING_START: {
        const fy_event_mapping_start_data& start = event.mapping_start;
        return begin(start.mapping_start, start.anchor, start.tag, Node::Kind::mapping);
      }
      case FYET_SEQUENCE_END:
      case FYET_MAPPING_END: {
        TRV_ASSERT(!open_.empty());
        Open open = std::move(open_.back());
        open_.pop_back();
        return finish(std::move(open.node), open.anchor);
      }
      default: return {};
    }
  }

 private:
  struct Open {
    Node node;
    std::string anchor;  ///< empty = none
    bool key_read = false;
    std::string key;
    Position key_position;
    std::set<std::string> keys;
  };

  /// Where a token begins, with its quote or sign, which the parser leaves out; for a token that the text leaves out,
  /// where the last one ended.
  [[nodiscard]] Position place(fy_token* token) const {
    const fy_mark* mark = token == nullptr ? nullptr : fy_token_start_mark(token);
    if (mark == nullptr) return last_;
    const fy_token_type type = fy_token_get_type(token);
    const fy_scalar_style style = fy_token_scalar_style(token);
    const bool has_sign = type == FYTT_ALIAS || type == FYTT_ANCHOR ||
                          (type == FYTT_SCALAR && (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED));
    return lines_.at(has_sign && mark->input_pos > 0 ? mark->input_pos - 1 : mark->input_pos);
  }

  /// YAML allows a tab where it does not indent, but parsers differ in where that is.
  [[nodiscard]] Status check_tabs() const {
    auto next = verbatim_.begin();
    const std::string_view text = lines_.text();
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (next != verbatim_.end() && at >= next->first) {
        at = std::max(at, next->second);
        ++next;
        if (at >= text.size()) break;
      }
      const bool begins_word = at == 0 || text[at - 1] == ' ' || text[at - 1] == '\n' || text[at - 1] == '\r';
      if (text[at] == '#' && begins_word) at = std::min(text.find('\n', at), text.size() - 1);
      if (text[at] == '\t') {
        return refuse(lines_.at(at), "a tab outside quotes, block text and comments; write spaces");
      }
    }
    return {};
  }

  Status document(const fy_event_document_start_data& start) {
    const Position at = place(start.document_start);
    if (root_) return refuse(at, "the text has a second document; expected one definition in one document");
    return {};
  }

  Status alias(fy_token* token) {
    const Position at = place(token);
    const std::string name(text_of(token));
    if (++aliases_ > aliases_max) {
      return refuse(at, fmt::format("more than {} aliases", aliases_max), ErrorCode::too_large);
    }
    const auto found = anchors_.find(name);
    if (found == anchors_.end()) {
      return refuse(at,
                    fmt::format("the alias '*{0}' has no anchor: expected '&{0}' on a complete value before it", name));
    }
    const Size size = size_of(found->second);
    nodes_ += size.nodes;
    repeated_bytes_ += size.bytes;
    if (repeated_bytes_ > repeated_bytes_max) {
      return refuse(at, fmt::format("aliases repeat more than {} bytes of text", repeated_bytes_max),
                    ErrorCode::too_large);
    }
    TRV_TRY(check_bounds(at, static_cast<int>(open_.size()) + size.depth));
    return finish(found->second, {});
  }

  Status scalar(const fy_event_scalar_data& scalar) {
    Node node;
    node.position = place(scalar.value);
    ++nodes_;
    TRV_TRY(check_bounds(node.position, static_cast<int>(open_.size())));
    TRV_TRY(check_properties(scalar.anchor, scalar.tag));
    const fy_scalar_style style = fy_token_scalar_style(scalar.value);
    const std::string_view text = style == FYSS_SINGLE_QUOTED ? between_marks(scalar.value) : text_of(scalar.value);
    if (style != FYSS_PLAIN) {
      node.kind = Node::Kind::string;
      const bool is_block = style == FYSS_LITERAL || style == FYSS_FOLDED;
      node.text = is_block                      ? block_text(scalar.value)
                  : style == FYSS_SINGLE_QUOTED ? single_quoted(text)
                                                : std::string(text);
    } else if (text.starts_with(':') || text.starts_with('?')) {
      return refuse(node.position, fmt::format("'{}' begins with '{}', which parsers read in several ways; quote it",
                                               text, text.front()));
    } else if (!resolve_plain(text, node)) {
      return refuse(node.position, fmt::format("'{}' has no JSON form; quote it to mean text", text));
    } else if (key_comes() && text == "<<") {
      return refuse(node.position,
                    "the merge key '<<' is not part of YAML 1.2; write the fields out, or quote it to mean text");
    }
    if (scalar.value != nullptr) {
      if (key_comes() && fy_token_start_mark(scalar.value)->line != fy_token_end_mark(scalar.value)->line) {
        return refuse(node.position, fmt::format("the key '{}' goes over several lines; write it in one", text));
      }
      last_ = lines_.at(fy_token_end_mark(scalar.value)->input_pos);
      if (style != FYSS_PLAIN) {
        verbatim_.emplace_back(fy_token_start_mark(scalar.value)->input_pos, last_.offset);
      }
    }
    return finish(std::move(node), std::string(text_of(scalar.anchor)));
  }

  /// A token as it is written, without its quotes.
  [[nodiscard]] std::string_view between_marks(fy_token* token) const {
    const std::size_t begin = fy_token_start_mark(token)->input_pos;
    const std::size_t end = fy_token_end_mark(token)->input_pos;
    TRV_ASSERT(begin <= end && end <= lines_.text().size());
    return lines_.text().substr(begin, end - begin);
  }

  /// The parser ends a block at the end of the text with a line end that the text may not have, or with a NUL.
  [[nodiscard]] std::string block_text(fy_token* block) const {
    const std::string_view text = lines_.text();
    std::string out(text_of(block).substr(0, text_of(block).find('\0')));
    if (fy_token_end_mark(block)->input_pos < text.size() || !out.ends_with('\n')) return out;
    const std::string_view last_line = text.substr(text.rfind('\n') + 1);
    const std::string_view last = std::string_view(out).substr(0, out.size() - 1);
    const std::string_view content = last.substr(last.rfind('\n') + 1);
    const bool is_blank = last_line.find_first_not_of(' ') == std::string_view::npos;
    if (!is_blank || (!content.empty() && last_line.ends_with(content))) out.pop_back();
    return out;
  }

  Status begin(fy_token* token, fy_token* anchor, fy_token* tag, Node::Kind kind) {
    const Position at = place(token);
    ++nodes_;
    TRV_TRY(check_bounds(at, static_cast<int>(open_.size()) + 1));
    TRV_TRY(check_properties(anchor, tag));
    if (key_comes()) return refuse(at, fmt::format("a key must be a string, not {}", describe(kind)));
    Open open;
    open.node.kind = kind;
    open.node.position = at;
    open.anchor = text_of(anchor);
    open_.push_back(std::move(open));
    last_ = at;
    TRV_ENSURES(static_cast<int>(open_.size()) <= depth_max);
    return {};
  }

  [[nodiscard]] bool key_comes() const {
    return !open_.empty() && open_.back().node.is_mapping() && !open_.back().key_read;
  }

  [[nodiscard]] Status check_bounds(const Position& at, int depth) const {
    if (nodes_ > nodes_max)
      return refuse(at, fmt::format("more than {} nodes (values, lists and mappings); split the definition", nodes_max),
                    ErrorCode::too_large);
    if (depth > depth_max) {
      return refuse(at, fmt::format("more than {} levels of nesting", depth_max), ErrorCode::too_large);
    }
    return {};
  }

  /// Tags name types that JSON does not have. Anchors have names that every YAML parser takes.
  [[nodiscard]] Status check_properties(fy_token* anchor, fy_token* tag) const {
    if (tag != nullptr) {
      return refuse(place(tag), "tags are not supported; leave this one out, and quote what is text");
    }
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const std::string_view name = text_of(anchor);
    if (name.find_first_not_of(allowed) == std::string_view::npos) return {};
    return refuse(place(anchor), fmt::format("the anchor '&{}' has a name with other characters than letters, digits, "
                                             "'_' and '-'; rename it",
                                             name));
  }

  Status finish(Node node, std::string anchor) {
    if (!anchor.empty()) {
      const Size size = size_of(node);
      anchored_nodes_ += size.nodes;
      anchored_bytes_ += size.bytes;
      if (anchored_nodes_ > nodes_max || anchored_bytes_ > repeated_bytes_max) {
        return refuse(node.position,
                      fmt::format("anchors within each other hold more than {} nodes or {} bytes of text", nodes_max,
                                  repeated_bytes_max),
                      ErrorCode::too_large);
      }
      anchors_[std::move(anchor)] = node;
    }
    if (open_.empty()) {
      TRV_ASSERT(!root_);
      root_ = std::move(node);
      return {};
    }
    Open& parent = open_.back();
    TRV_ASSERT(parent.node.is_sequence() || parent.node.is_mapping());
    if (parent.node.is_sequence()) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key_read) {
      if (!node.is_string()) {
        return refuse(node.position, fmt::format("a key must be a string, not {}; quote it", describe(node.kind)));
      }
      if (!parent.keys.insert(node.text).second) {
        return refuse(node.position, fmt::format("the key '{}' occurs twice in this mapping; remove one", node.text));
      }
      parent.key = std::move(node.text);
      parent.key_position = node.position;
      parent.key_read = true;
    } else {
      parent.node.entries.push_back({std::move(parent.key), parent.key_position, std::move(node)});
      parent.key_read = false;
    }
    return {};
  }

  Lines lines_;
  Position last_;
  std::vector<Open> open_;
  std::map<std::string, Node> anchors_;
  std::vector<std::pair<std::size_t, std::size_t>> verbatim_;  ///< first and end of each scalar that is not plain
  std::optional<Node> root_;
  std::size_t nodes_ = 0;
  std::size_t anchored_nodes_ = 0;  ///< those within several anchors count for each
  std::size_t anchored_bytes_ = 0;
  std::size_t aliases_ = 0;
  std::size_t repeated_bytes_ = 0;
};

struct Explanation {
  std::string_view reported;  ///< how the parser's message begins
  std::string_view means;     ///< what the author of a definition can do about it
};

constexpr Explanation explanations[] = {
    {"single-quoted scalar without closing quote", "this text has no closing quote; expected ' at its end"},
    {"double-quoted scalar without closing quote", "this text has no closing quote; expected \" at its end"},
    {"wrongly indented single-quoted scalar",
     "this text has no closing ', or goes on in a line that is not indented; close it, or indent its lines"},
    {"wrongly indented double-quoted scalar",
     "this text has no closing \", or goes on in a line that is not indented; close it, or indent its lines"},
    {"invalid value after mapping", "this line is not a field of the mapping; expected 'name: value'"},
    {"flow sequence with invalid extra comma", "a value is missing between two commas"},
    {"flow sequence with invalid comma in the beginning", "a value is missing before the comma"},
    {"flow sequence without a closing bracket", "the sequence has no closing ']'"},
    {"missing comma in flow mapping", "the mapping in braces needs ',' between fields and '}' at its end"},
    {"mismatched flow sequence end", "']' closes a mapping; expected '}'"},
    {"mismatched flow mapping end", "'}' closes a sequence; expected ']'"},
    {"flow mapping with invalid extra closing brace", "'}' has no '{' before it"},
    {"flow sequence with invalid extra closing bracket", "']' has no '[' before it"},
    {"wrongly indented flow", "every line of a value in brackets or braces must be indented more than its field"},
    {"invalid multiline plain key",
     "this field's value goes on in a line that is itself a field; indent it as its "
     "siblings are, or quote the value"},
    {"invalid indentation in mapping",
     "this line is indented less than the fields before it and more than theirs "
     "around; align it with its siblings"},
    {"invalid nested block mapping on the same line",
     "a second ': ' in one line; quote the value, or put the inner field into a line of its own"},
    {"plain scalar cannot start with", "a value cannot begin with this character; quote it"},
    {"invalid scalar at the end of block sequence",
     "this line is not an item of the sequence; expected '- ' before it"},
    {"did not find expected key", "this line is not a field of the mapping; expected 'name: value'"},
    {"did not find expected node content", "a value is missing here"},
    {"invalid trailing content after",
     "text follows the closing quote; double a ' within single quotes, and write \\\" "
     "within double quotes"},
    {"block sequence on the same line as a mapping key", "a sequence begins in a line of its own, below its field"},
    {"invalid escape", "this escape does not exist within double quotes; write \\\\ for a backslash"},
    {"invalid comment without whitespace", "a comment needs a space before its '#'"},
};

Error refusal(const Lines& lines, fy_diag* diagnostics) {
  void* previous = nullptr;
  const fy_diag_error* found = fy_diag_errors_iterate(diagnostics, &previous);
  if (found == nullptr) return {ErrorCode::invalid, "the text is not YAML 1.2"};
  const Position at = lines.at(found->line, found->column);
  for (int number = at.line; number <= at.line + 1; ++number) {
    const std::string_view line = lines.line(number);
    const std::size_t tab = line.substr(0, std::min(line.find_first_not_of(" \t"), line.size())).find('\t');
    if (tab != std::string_view::npos) {
      return Error(ErrorCode::invalid, "a tab indents this line; indent with spaces")
          .at(number, static_cast<int>(tab) + 1);
    }
  }
  const std::string_view reported = found->msg == nullptr ? "unknown error" : found->msg;
  const auto* const known = std::ranges::find_if(
      explanations, [&](const Explanation& explanation) { return reported.starts_with(explanation.reported); });
  return Error(ErrorCode::invalid,
               fmt::format("not YAML 1.2: {}", known == std::end(explanations) ? reported : known->means))
      .at(at.line, at.column);
}

/// Before the content, only a directive can begin with '%'.
Status check_directives(const Lines& lines) {
  for (int number = 1; number <= lines.count(); ++number) {
    const std::string_view line = lines.line(number);
    if (line.starts_with('%')) {
      return refuse({.line = number}, "directives such as %YAML are not supported; leave the line out");
    }
    const std::size_t first = line.find_first_not_of(" \t");
    if (first != std::string_view::npos && line[first] != '#') break;
  }
  return {};
}

Status check_lines(const Lines& lines) {
  std::size_t signs = 0;
  const std::string_view text = lines.text();
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char sign = text[at];
    if (sign == '\n') signs = 0;
    if (sign != '[' && sign != '{' && sign != ',' && sign != '?' && sign != ':') continue;
    if (++signs <= signs_in_line_max) continue;
    return refuse(lines.at(at),
                  fmt::format("more than {} signs such as '[', '{{' and ',' in one line; write lists and long texts on "
                              "several lines, and split a definition of more than {} nodes",
                              signs_in_line_max, nodes_max),
                  ErrorCode::too_large);
  }
  return {};
}

}  // namespace

base::Result<Node> read_yaml(std::string_view text) {
  fy_diag_cfg reporting;
  fy_diag_cfg_default(&reporting);
  reporting.fp = nullptr;
  const std::unique_ptr<fy_diag, base::Frees<fy_diag_destroy>> diagnostics(fy_diag_create(&reporting));
  TRV_ASSERT(diagnostics != nullptr);
  fy_diag_set_collect_errors(diagnostics.get(), true);
  fy_parse_cfg configuration{};
  configuration.flags = static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE |
                                                        FYPCF_ALLOW_DUPLICATE_KEYS);
  configuration.diag = diagnostics.get();
  const std::unique_ptr<fy_parser, base::Frees<fy_parser_destroy>> parser(fy_parser_create(&configuration));
  TRV_ASSERT(parser != nullptr);
  if (fy_parser_set_string(parser.get(), text.data(), text.size()) != 0) {
    return base::fail(ErrorCode::internal, "the YAML parser did not take the text");
  }
  TreeBuilder builder(text);
  TRV_TRY(check_directives(builder.lines()));
  TRV_TRY(check_lines(builder.lines()));
  while (fy_event* event = fy_parser_parse(parser.get())) {
    const bool ended = event->type == FYET_STREAM_END;
    const Status taken = builder.take(*event);
    fy_parser_event_free(parser.get(), event);
    if (!taken) return base::fail(taken.error());
    if (ended && !fy_parser_get_stream_error(parser.get())) return builder.take();
  }
  return base::fail(refusal(builder.lines(), diagnostics.get()));
}

}  // namespace trv::definition::syntax
