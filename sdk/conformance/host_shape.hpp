#pragma once
// Which host a fake host is. Header-only; C++20.

#include <cstdint>

#include "sdk/conformance/lent_bytes.hpp"

namespace trv::conformance {

/// What a host offers. A plugin must cope with a host that has no trv.http/1, trv.log/1, trv.timer/1, trv.kv/1,
/// trv.blob/1, trv.secret/1, trv.event/1 or trv.trace/1, and with one of a later minor version, whose structs are
/// larger. It refuses a struct that is smaller than version 1.
struct HostShape {
  enum class Struct { none, host, host_call, host_log, host_http, call, response, error };
  bool offers_http = true;
  bool offers_log = true;
  bool offers_timer = true;
  bool offers_kv = true;
  bool offers_blob = true;
  bool offers_secret = true;
  bool offers_event = true;
  bool offers_stream = true;
  bool offers_trace = true;
  bool is_of_later_minor = false;
  Struct too_small = Struct::none;

  /// What the host writes into struct_size.
  template <typename T>
  [[nodiscard]] std::uint32_t size_of(Struct which) const noexcept {
    if (which == too_small) return sizeof(T) - 1;
    return is_of_later_minor ? sizeof(Extended<T>) : sizeof(T);
  }
};

}  // namespace trv::conformance
