#include "kernel/workflow/definition/outline.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "sdk/base/utf8.hpp"

namespace trv::definition {
namespace {

constexpr std::array<std::string_view, 12> kinds = {"call", "set",  "switch", "wait",   "raise", "try",
                                                    "for",  "fork", "emit",   "listen", "run",   "do"};
constexpr std::size_t detail_bytes_max = 48;

const Node* below(const Node* node, std::initializer_list<std::string_view> path) {
  for (const std::string_view name : path) {
    if (node != nullptr) node = node->find(name);
  }
  return node;
}

std::string text_of(const Node* node) {
  if (node == nullptr || node->is_mapping() || node->is_sequence()) return {};
  if (node->text.size() <= detail_bytes_max) return node->text;
  return std::string(base::utf8_prefix(node->text, detail_bytes_max)) + "…";
}

std::string joined(const Node& mapping) {
  std::vector<std::string> parts;
  for (const Entry& entry : mapping.entries) parts.push_back(fmt::format("{} {}", text_of(&entry.value), entry.key));
  return fmt::format("{}", fmt::join(parts, " "));
}

std::string detail_of(std::string_view kind, const Node& value, const Node& task) {
  if (kind == "call") {
    const std::string method = text_of(below(&task, {"with", "method"}));
    return method.empty() ? text_of(&value) : fmt::format("{} {}", text_of(&value), method);
  }
  if (kind == "wait") return value.is_mapping() ? joined(value) : text_of(&value);
  if (kind == "fork") {
    const Node* compete = value.find("compete");
    return compete != nullptr && compete->boolean ? "first wins" : "";
  }
  if (kind == "for") return fmt::format("each of {}", text_of(value.find("in")));
  if (kind == "raise") {
    const Node* error = value.find("error");
    return text_of(error != nullptr && error->is_mapping() ? error->find("type") : error);
  }
  if (kind == "emit") return text_of(below(&value, {"event", "with", "type"}));
  if (kind == "run") return text_of(below(&value, {"workflow", "name"}));
  if (kind == "listen") {
    const Node* to = value.find("to");
    std::vector<std::string> types;
    if (const Node* one = below(to, {"one", "with", "type"})) types.push_back(text_of(one));
    for (const std::string_view several : {"any", "all"}) {
      const Node* list = below(to, {several});
      if (list == nullptr) continue;
      for (const Node& item : list->items) types.push_back(text_of(below(&item, {"with", "type"})));
    }
    if (types.size() > 3) types.resize(3);
    return fmt::format("{}", fmt::join(types, ", "));
  }
  return {};
}

Lane lane_of(const Node* list, std::string title);

Step step_of(const Entry& entry) {
  const Node& task = entry.value;
  Step step{.name = entry.key,
            .kind = {},
            .detail = {},
            .undone_by = text_of(below(&task, {"metadata", "compensate"})),
            .position = entry.position,
            .ways = {},
            .lanes = {}};
  for (const std::string_view kind : kinds) {
    const Node* value = task.find(kind);
    if (value == nullptr) continue;
    step.kind = kind;
    step.detail = detail_of(kind, *value, task);
    if (kind == "do" || kind == "try") step.lanes.push_back(lane_of(value, ""));
    if (kind == "for") step.lanes.push_back(lane_of(task.find("do"), ""));
    if (kind == "try") {
      if (const Node* handler = below(&task, {"catch", "do"})) step.lanes.push_back(lane_of(handler, "catch"));
      step.side_by_side = true;
    }
    if (kind == "fork") {
      const Node* branches = value->find("branches");
      for (std::size_t i = 0; branches != nullptr && i < branches->items.size(); ++i) {
        Lane& lane = step.lanes.emplace_back();
        for (const Entry& branch : branches->items[i].entries) lane.steps.push_back(step_of(branch));
      }
      step.side_by_side = true;
    }
    if (kind == "listen") {
      if (const Node* each = below(&task, {"foreach", "do"})) step.lanes.push_back(lane_of(each, "foreach"));
    }
    if (kind == "switch") {
      for (const Node& item : value->items) {
        for (const Entry& one : item.entries) {
          const Node* then = one.value.find("then");
          step.ways.push_back({one.key, then == nullptr ? "continue" : then->text});
        }
      }
    }
    break;
  }
  const bool always = std::ranges::any_of(step.ways, [&](const Way& way) {
    const Node* cases = task.find("switch");
    for (const Node& item : cases->items) {
      const Node* one = item.find(way.label);
      if (one != nullptr && one->find("when") == nullptr) return true;
    }
    return false;
  });
  const Node* then = task.find("then");
  const std::string target = then == nullptr ? "continue" : then->text;
  const bool jumps_if = step.ways.empty() && target != "continue" && task.find("if") != nullptr;
  if (!always) step.ways.push_back({jumps_if ? "if" : step.ways.empty() ? "" : "else", target});
  // A task that is skipped goes on, whatever its `then` says.
  if (jumps_if) step.ways.push_back({"else", "continue"});
  return step;
}

Lane lane_of(const Node* list, std::string title) {
  Lane lane{.title = std::move(title), .steps = {}};
  if (list == nullptr) return lane;
  for (const Node& item : list->items) {
    if (item.is_mapping() && item.entries.size() == 1) lane.steps.push_back(step_of(item.entries.front()));
  }
  return lane;
}

/// Text within quotes of Mermaid, which reads entities there.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "#quot;"; break;
      case '#': out += "#35;"; break;
      case '<': out += "#lt;"; break;
      case '>': out += "#gt;"; break;
      case '\n': out += ' '; break;
      default: out.push_back(c);
    }
  }
  return out + "\"";
}

class Mermaid {
 public:
  std::string draw(const Lane& lane) {
    out_ = "flowchart TD\n  start((\" \"))\n  finish(((\" \")))\n";
    const std::vector<std::string> ids = declare(lane, 1);
    out_ += fmt::format("  start --> {}\n", ids.empty() ? "finish" : ids.front());
    connect(lane, ids, "finish");
    return out_ + undoes_ + edges_;
  }

 private:
  std::vector<std::string> declare(const Lane& lane, std::size_t depth) {
    const std::string indent(depth * 2, ' ');
    std::vector<std::string> ids;
    for (const Step& step : lane.steps) {
      const std::string id = fmt::format("t{}", ++count_);
      ids.push_back(id);
      if (!step.undone_by.empty()) {
        edges_ += fmt::format("  {0} -. \"undone by\" .-> {0}_undo\n", id);
        undoes_ += fmt::format("  {}_undo[/{}/]\n", id, quoted(step.undone_by));
      }
      if (step.lanes.empty()) {
        const auto [open, close] = step.kind == "switch"                          ? std::pair("{", "}")
                                   : step.kind == "wait" || step.kind == "listen" ? std::pair("([", "])")
                                   : step.kind == "raise"                         ? std::pair("{{", "}}")
                                                                                  : std::pair("[", "]");
        out_ += fmt::format("{}{}{}{}{}\n", indent, id, open, two_lines(step), close);
        continue;
      }
      out_ += fmt::format("{}subgraph {}[{}]\n", indent, id, two_lines(step));
      for (std::size_t i = 0; i < step.lanes.size(); ++i) {
        const Lane& inner = step.lanes[i];
        const bool framed = step.lanes.size() > 1;
        if (framed) {
          out_ += fmt::format("{}  subgraph {}_{}[{}]\n", indent, id, i,
                              quoted(inner.title.empty() ? (step.kind == "fork" ? "branch" : step.kind) : inner.title));
        }
        const auto inner_ids = declare(inner, depth + (framed ? 2 : 1));
        connect(inner, inner_ids, "");
        if (framed) out_ += fmt::format("{}  end\n", indent);
        if (framed && inner.title == "catch") edges_ += fmt::format("  {}_0 -. error .-> {}_{}\n", id, id, i);
      }
      out_ += fmt::format("{}end\n", indent);
    }
    return ids;
  }

  static std::string two_lines(const Step& step) {
    const std::string second = step.detail.empty() ? step.kind : fmt::format("{} {}", step.kind, step.detail);
    std::string text = quoted(step.name);
    text.pop_back();
    return text + "<br/>" + quoted(second).substr(1);
  }

  /// `last`: where the flow goes at the end of the lane; empty: out of what is around it.
  void connect(const Lane& lane, const std::vector<std::string>& ids, const std::string& last) {
    for (std::size_t i = 0; i < lane.steps.size(); ++i) {
      for (const Way& way : lane.steps[i].ways) {
        std::string to;
        if (way.target == "end") {
          to = "finish";
        } else if (way.target == "exit") {
          to = last;
        } else if (way.target == "continue") {
          to = i + 1 < ids.size() ? ids[i + 1] : last;
        } else {
          for (std::size_t other = 0; other < ids.size(); ++other) {
            if (lane.steps[other].name == way.target) to = ids[other];
          }
        }
        if (to.empty()) continue;
        edges_ += way.label.empty() ? fmt::format("  {} --> {}\n", ids[i], to)
                                    : fmt::format("  {} -- {} --> {}\n", ids[i], quoted(way.label), to);
      }
    }
  }

  std::string out_;
  std::string edges_;
  std::string undoes_;  ///< what is beside the flow
  int count_ = 0;
};

}  // namespace

Lane outline(const Node& root) {
  return lane_of(root.find("do"), "");
}

std::string mermaid_of(const Lane& lane) {
  return Mermaid().draw(lane);
}

}  // namespace trv::definition
