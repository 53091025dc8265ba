#pragma once
// trav workflow test: the cases of authors, played without a server.

#include <string>
#include <vector>

#include "kernel/cli/commands/session.hpp"

namespace trv::cli {

struct CaseArguments {
  std::vector<std::string> files;
  std::string only;      ///< part of the names of the cases that are run; empty: all
  bool restart = false;  ///< again with the process killed behind each record
  std::string junit;     ///< a file for the results as XML; empty: none
};

/// Refused where a case does not hold.
[[nodiscard]] base::Result<ExitCode> run_cases(Session& session, const CaseArguments& arguments);

}  // namespace trv::cli
