#pragma once
// Ends objects of C libraries: std::unique_ptr<CURL, base::Frees<curl_easy_cleanup>>.

namespace trv::base {

/// A deleter that calls Function.
template <auto Function>
struct Frees {
  template <typename T>
  void operator()(T* object) const noexcept {
    Function(object);
  }
};

}  // namespace trv::base
