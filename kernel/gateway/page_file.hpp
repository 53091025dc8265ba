#pragma once
// Files of pages that travd serves itself, as they are embedded. Any thread.

#include <cstddef>
#include <string>
#include <string_view>

#include "kernel/http/router.hpp"

namespace trv::gateway {

template <std::size_t size>
[[nodiscard]] std::string_view text_of(const unsigned char (&embedded)[size]) noexcept {
  return {reinterpret_cast<const char*>(embedded), size};
}

/// What a browser may do with it: show what is of this origin alone, in no frame.
[[nodiscard]] http::Response page_file(std::string type, std::string_view text);

/// Served to everybody, also before the server is open; `text` lives as long as the program.
void add_page_file(http::Router& router, std::string_view path, std::string type, std::string_view text);

}  // namespace trv::gateway
