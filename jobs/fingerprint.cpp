#include "jobs/fingerprint.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/core.h>

#include "core/digest.hpp"

namespace tessera::jobs {
namespace {

/// A digest tells people nothing: of contents, only that they differ is said.
bool is_digest(const std::string& value) {
  return value.size() == 64 &&
         std::ranges::all_of(value, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

}  // namespace

std::string Fingerprint::id() const {
  Digest digest;
  for (const auto& [key, value] : parts_) digest.add_text(key).add_text(value);
  return digest.hex();
}

std::vector<std::string> Fingerprint::differences_from(const Fingerprint& stored) const {
  std::vector<std::string> differences;
  for (const auto& [key, value] : parts_) {
    const auto other = stored.parts_.find(key);
    if (other == stored.parts_.end()) {
      differences.push_back(is_digest(value)
                                ? fmt::format("{} is new", key)
                                : fmt::format("{} is {} (the run had none)", key, value));
    } else if (other->second != value) {
      differences.push_back(
          is_digest(value) ? fmt::format("{} is another", key)
                           : fmt::format("{} is {} (the run had {})", key, value, other->second));
    }
  }
  for (const auto& [key, value] : stored.parts_) {
    if (!parts_.contains(key)) {
      differences.push_back(is_digest(value)
                                ? fmt::format("{} is gone", key)
                                : fmt::format("{} is gone (the run had {})", key, value));
    }
  }
  return differences;
}

JsonValue Fingerprint::to_json() const {
  JsonValue object = JsonValue::object();
  for (const auto& [key, value] : parts_) object.set(key, value);
  return object;
}

Fingerprint Fingerprint::from_json(const JsonValue& object) {
  Fingerprint fingerprint;
  for (const auto& [key, value] : object.entries()) fingerprint.add(key, value.text());
  return fingerprint;
}

}  // namespace tessera::jobs
