#include "kernel/workflow/definition/expansion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

std::string quoted(std::string_view name) {
  Node node;
  node.kind = Node::Kind::string;
  node.text = name;
  return to_json(node);
}

/// `"name": value` for each, in the order given.
std::vector<std::string> members_of(const std::vector<FetchedFunction>& functions) {
  std::vector<std::string> out;
  out.reserve(functions.size());
  for (const FetchedFunction& function : functions) {
    out.push_back(quoted(function.what.name) + ": " + to_json(function.body));
  }
  return out;
}

std::string in_braces(const std::vector<std::string>& members) {
  return fmt::format("{{{}}}", fmt::join(members, ", "));
}

struct Insertion {
  std::size_t at = 0;
  std::string text;
};

/// At the beginning of a mapping that is there.
std::vector<Insertion> before_all(std::string_view text, const Node& mapping, const std::vector<std::string>& members) {
  const std::size_t begin = mapping.position.offset;
  if (begin < text.size() && text[begin] == '{') {
    return {{begin + 1, fmt::format("{}{}", fmt::join(members, ", "), mapping.entries.empty() ? "" : ", ")}};
  }
  if (mapping.entries.empty()) return {};
  const std::size_t key = mapping.entries.front().position.offset;
  const std::size_t line = key == 0 ? 0 : text.rfind('\n', key - 1) + 1;
  const std::string indent(key - line, ' ');
  if (text.substr(line, key - line) != indent) return {};
  std::string lines;
  for (const std::string& member : members) lines += indent + member + "\n";
  return {{line, std::move(lines)}};
}

/// Where the functions could go; the first that keeps the meaning of all else is taken.
std::vector<Insertion> places_for(std::string_view text, const Node& root,
                                  const std::vector<FetchedFunction>& functions) {
  const std::vector<std::string> members = members_of(functions);
  const Node* use = root.find("use");
  const Node* there = use == nullptr ? nullptr : use->find("functions");
  if (there != nullptr) return before_all(text, *there, members);
  const std::vector<std::string> with_name = {R"("functions": )" + in_braces(members)};
  if (use != nullptr) return before_all(text, *use, with_name);
  const std::vector<std::string> with_use = {R"("use": )" + in_braces(with_name)};
  std::vector<Insertion> out = before_all(text, root, with_use);
  if (root.position.offset < text.size() && text[root.position.offset] != '{') {
    // At the end no line of the author's moves.
    const std::string indent(static_cast<std::size_t>(std::max(root.position.column - 1, 0)), ' ');
    out.insert(out.begin(), {text.size(), (text.ends_with('\n') ? "" : "\n") + indent + with_use.front() + "\n"});
  }
  return out;
}

void remove(Node& mapping, std::string_view key) {
  std::erase_if(mapping.entries, [&](const Entry& entry) { return entry.key == key; });
}

Node* member(Node& mapping, std::string_view key) {
  const auto found = std::ranges::find(mapping.entries, key, &Entry::key);
  return found == mapping.entries.end() ? nullptr : &found->value;
}

/// Whether `now` is `before` with the functions, and nothing else.
bool is_meant(Node now, const Node& before, const std::vector<FetchedFunction>& functions) {
  Node* use = member(now, "use");
  Node* there = use == nullptr ? nullptr : member(*use, "functions");
  if (there == nullptr) return false;
  for (const FetchedFunction& function : functions) {
    const Node* one = there->find(function.what.name);
    if (one == nullptr || to_json(*one) != to_json(function.body)) return false;
    remove(*there, function.what.name);
  }
  const Node* use_before = before.find("use");
  if (use_before == nullptr || use_before->find("functions") == nullptr) remove(*use, "functions");
  if (use_before == nullptr) remove(now, "use");
  return to_json(now) == to_json(before);
}

}  // namespace

base::Result<Node> read_function(std::string_view address, std::string_view text) {
  TRV_TRY_ASSIGN(Node body, read(text, address.ends_with(".json") ? Format::json : Format::yaml));
  if (body.is_mapping() && !body.entries.empty()) return body;
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("a function is a task, for example 'call: http' with 'with', and this is {}",
                                body.is_mapping() ? "an empty mapping" : describe(body.kind)));
}

base::Result<Expansion> Expansion::make(std::string_view text, Format format,
                                        const std::vector<FetchedFunction>& functions) {
  TRV_EXPECTS(!functions.empty());
  TRV_TRY_ASSIGN(const Node root, read(text, format));
  bool is_too_large = false;
  for (const Insertion& place : places_for(text, root, functions)) {
    TRV_ASSERT(place.at <= text.size());
    Expansion out;
    out.inserted_ = {place.at, place.text.size()};
    out.text_ = fmt::format("{}{}{}", text.substr(0, place.at), place.text, text.substr(place.at));
    const base::Result<Node> now = read(out.text_, format);
    if (now && is_meant(*now, root, functions)) return out;
    is_too_large = is_too_large || (!now && now.error().code() == base::ErrorCode::too_large);
  }
  if (is_too_large) {
    return base::fail(base::ErrorCode::too_large,
                      fmt::format("with the functions that it calls, the definition is over a limit of definitions "
                                  "({} bytes, {} values); run a workflow instead of some of them",
                                  text_bytes_max, nodes_max));
  }
  return base::fail(base::ErrorCode::invalid,
                    "the functions that are fetched cannot be put into 'use.functions' of this text; write 'use' as a "
                    "mapping of its own, without anchors");
}

void Expansion::say_of_author(Findings& findings, const std::vector<FetchedFunction>& functions) const {
  const std::size_t end = inserted_.at + inserted_.size;
  const int lines = static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(inserted_.at),
                                                text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
  const auto of_call = [&](std::string_view name) {
    const auto found = std::ranges::find(functions, name, [](const FetchedFunction& one) { return one.what.name; });
    return found == functions.end() ? nullptr : &*found;
  };
  const auto move_back = [&](Position& at) {
    if (at.offset < end) return;
    at.offset -= inserted_.size;
    at.line -= lines;
    if (lines == 0 && text_.find('\n', end) >= at.offset + inserted_.size) {
      at.column -= static_cast<int>(inserted_.size);
    }
  };
  const auto is_inserted = [&](const Position& at) { return at.offset >= inserted_.at && at.offset < end; };
  for (Problem& problem : findings.problems) {
    if (problem.position.line < 1) continue;
    if (!is_inserted(problem.position)) {
      move_back(problem.position);
      continue;
    }
    constexpr std::string_view folder = "/use/functions/";
    const FetchedFunction* of = nullptr;
    std::string place;
    for (const FetchedFunction& function : functions) {
      const std::string pointer = std::string(folder) + pointer_part(function.what.name);
      if (problem.pointer != pointer && !problem.pointer.starts_with(pointer + "/")) continue;
      of = &function;
      const Node* inner = at_pointer(function.body, std::string_view(problem.pointer).substr(pointer.size()));
      if (inner != nullptr) place = fmt::format(", line {}", inner->position.line);
    }
    if (of == nullptr) of = &functions.front();
    problem.message = readable(
        fmt::format("in the function '{}' ({}{}): {}", of->what.name, of->what.address, place, problem.message));
    problem.position = of->what.position;
    problem.length = static_cast<int>(std::max<std::size_t>(of->what.name.size(), 1));
    problem.pointer.clear();
  }
  for (UnfetchedFunction& function : findings.unfetched) {
    if (!is_inserted(function.position)) {
      move_back(function.position);
    } else if (const FetchedFunction* caller = of_call(function.caller)) {
      function.position = caller->what.position;
    }
  }
  std::ranges::stable_sort(findings.problems, [](const Problem& one, const Problem& other) {
    return one.position.offset < other.position.offset;
  });
}

}  // namespace trv::definition
