#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/safetensors_file.hpp"

namespace tessera::format {

/// The tensors of the model that is packed: those of its folder, or only their names, types and
/// shapes, where its weights are not there yet and no more than sizes are asked for.
class OriginalTensors {
 public:
  using Announced = std::map<std::string, model::TensorInfo, std::less<>>;

  /// @p folder outlives this and all copies
  OriginalTensors(const model::SafetensorsFolder& folder) : folder_(&folder) {}
  explicit OriginalTensors(Announced announced)
      : announced_(std::make_shared<const Announced>(std::move(announced))) {}

  std::vector<std::string> names() const;  ///< sorted
  bool contains(std::string_view name) const;
  /// Throws InputError when there is no such tensor.
  model::TensorInfo info(std::string_view name) const;
  /// Copies the stored bytes. @pre the folder is there
  void read_bytes(std::string_view name, std::span<std::byte> out) const;

 private:
  const model::SafetensorsFolder* folder_ = nullptr;
  std::shared_ptr<const Announced> announced_;  ///< where there is no folder
};

}  // namespace tessera::format
