#include "kernel/expression/machine/path_trace.hpp"

#include <algorithm>
#include <vector>

#include "sdk/base/contract.hpp"

namespace trv::expression {

std::pair<json::Value, int> PathTrace::end() {
  TRV_EXPECTS(active());
  std::vector<json::Value> keys;
  Step* step = last_;
  for (; !step->first; step = step->before) {
    TRV_ASSERT(step->before != nullptr);
    keys.push_back(step->key);
  }
  std::reverse(keys.begin(), keys.end());
  const int suspensions = step->suspensions;
  PathTrace outside;
  outside.last_ = step->before;
  if (outside.last_ != nullptr) ++outside.last_->references;
  *this = std::move(outside);
  return {json::Value::array(std::move(keys)), suspensions};
}

void PathTrace::release() noexcept {
  while (last_ != nullptr && --last_->references == 0) {
    Step* before = last_->before;
    delete last_;
    last_ = before;
  }
  last_ = nullptr;
}

}  // namespace trv::expression
