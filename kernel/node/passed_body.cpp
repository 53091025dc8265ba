#include "kernel/node/passed_body.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::node {

PassedBody::~PassedBody() {
  if (body_ == nullptr) return;
  body_->drop();
  pause();
}

void PassedBody::begin(std::function<void()> more) {
  TRV_EXPECTS(body_ != nullptr);
  {
    const std::lock_guard lock(arriving_->mutex);
    arriving_->more = std::move(more);
  }
  if (std::exchange(is_read_, true)) return;
  body_->read(
      [arriving = arriving_](std::string_view part) {
        const std::lock_guard lock(arriving->mutex);
        arriving->waiting.append(part);
        if (arriving->more) arriving->more();
      },
      [arriving = arriving_](base::Status status) {
        const std::lock_guard lock(arriving->mutex);
        arriving->end = std::move(status);
        if (arriving->more) arriving->more();
      });
}

void PassedBody::pause() {
  const std::lock_guard lock(arriving_->mutex);
  arriving_->more = nullptr;
}

base::Result<std::optional<std::size_t>> PassedBody::take(char* to, std::size_t bytes_max) {
  std::size_t size = 0;
  {
    const std::lock_guard lock(arriving_->mutex);
    size = std::min(bytes_max, arriving_->waiting.size());
    if (size == 0 && !arriving_->end) return std::nullopt;
    if (size == 0 && !*arriving_->end) return base::fail(arriving_->end->error());
    std::memcpy(to, arriving_->waiting.data(), size);
    arriving_->waiting.erase(0, size);
  }
  has_begun_ = true;
  body_->take(size);
  return size;
}

}  // namespace trv::node
