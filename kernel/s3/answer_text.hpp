#pragma once
// The few things that are read out of the XML of a storage's answers. Private to the client. Pure; any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trv::s3 {

/// The texts of the elements of this name, in order, without their escapes; elements within them are not looked at.
[[nodiscard]] std::vector<std::string> texts_of(std::string_view xml, std::string_view name);
/// The first of them; empty where there is none.
[[nodiscard]] std::string text_of(std::string_view xml, std::string_view name);
/// Without the escapes of a URL; nullopt where one is broken.
[[nodiscard]] std::optional<std::string> unescaped_url(std::string_view text);

}  // namespace trv::s3
