#pragma once
// travd as units of systemd: those that a version brings, with drop-ins where the configuration asks for another port
// or folder. docs/guides/serving-safely.md, "As a service of systemd". One thread; it waits.

#include <memory>
#include <optional>
#include <string>

#include "installer/steps/service.hpp"

namespace trv::steps {

/// Whether systemd began this host: sd_booted(3).
[[nodiscard]] bool is_systemd(const Places& places);

/// The travd of the unit, with the version whose program it is; `supervisor` is 1. nullopt: none runs.
[[nodiscard]] std::optional<Running> running_unit(const Places& places);

/// `user`: `travertine`, which the units name; another is refused by make_user().
[[nodiscard]] std::unique_ptr<Service> systemd_service(const Places& places, const config::Config& config,
                                                       Changes& changes, std::string user, const base::Clock& clock);

}  // namespace trv::steps
