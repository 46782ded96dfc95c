#include "format/original_tensors.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "model/quoted_name.hpp"

namespace tessera::format {

std::vector<std::string> OriginalTensors::names() const {
  if (folder_ != nullptr) return folder_->names();
  std::vector<std::string> names;
  for (const auto& [name, info] : *announced_) names.push_back(name);
  return names;
}

bool OriginalTensors::contains(std::string_view name) const {
  return folder_ != nullptr ? folder_->contains(name) : announced_->contains(name);
}

model::TensorInfo OriginalTensors::info(std::string_view name) const {
  if (folder_ != nullptr) return folder_->info(name);
  const auto found = announced_->find(name);
  if (found != announced_->end()) return found->second;
  throw InputError(fmt::format("config.json speaks of no tensor {}", model::quote_name(name)));
}

void OriginalTensors::read_bytes(std::string_view name, std::span<std::byte> out) const {
  require(folder_ != nullptr, "bytes are read of tensors that are there");
  folder_->read_bytes(name, out);
}

}  // namespace tessera::format
