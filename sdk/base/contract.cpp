#include "sdk/base/contract.hpp"

#include <cstdio>
#include <cstdlib>

namespace trv::base {

void contract_failed(const char* kind, const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "travertine: %s broken: %s at %s:%d\n", kind, condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace trv::base
