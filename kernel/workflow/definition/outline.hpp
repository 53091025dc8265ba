#pragma once
// The tasks of a definition as its author sees them: for drawings and for editors. Pure; any thread.

#include <string>
#include <vector>

#include "kernel/workflow/definition/node.hpp"

namespace trv::definition {

struct Lane;

/// Where the flow can go on after a step.
struct Way {
  std::string label = {};   ///< the case of a switch; empty: always
  std::string target = {};  ///< continue, exit, end or a step of the same lane
};

struct Step {
  std::string name;
  std::string kind;            ///< set, call, …
  std::string detail;          ///< what it calls, waits or listens for; may be empty
  std::string undone_by = {};  ///< the function that undoes what the task has done; may be empty
  Position position;           ///< of the name
  std::vector<Way> ways;
  std::vector<Lane> lanes;    ///< the lists of tasks within it
  bool side_by_side = false;  ///< the lanes run beside each other
};

struct Lane {
  std::string title;  ///< "catch", "foreach"; empty for the list that is the step's own
  std::vector<Step> steps;
};

/// What the tree has of tasks; anything else is left out, so that a text with mistakes has an outline, too.
[[nodiscard]] Lane outline(const Node& root);

/// A flowchart of Mermaid.
[[nodiscard]] std::string mermaid_of(const Lane& lane);
/// A drawing of its own, in the colours of the reader's screen: light or dark.
[[nodiscard]] std::string svg_of(const Lane& lane);

}  // namespace trv::definition
