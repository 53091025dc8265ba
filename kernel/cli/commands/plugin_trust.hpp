#pragma once
// The verbs of `trav plugin` about trust: keys, signatures, revocations, and what a package says of itself.

#include "kernel/cli/commands/command.hpp"

namespace trv::cli {

void add_trust_verbs(Noun& noun);

}  // namespace trv::cli
