#pragma once
#include <string>
#include <vector>

#include "format/vptq_layer_config.hpp"
#include "model/safetensors_file.hpp"

namespace tessera::format {

/// One packed layer as it lies in a folder's files: which tensors it is made of, and how they
/// become a VptqLayer (vptq.md 3.2 to 3.4).
class PackedLayerFile {
 public:
  /// Checks that every tensor the config asks for is there with the right type and shape; all
  /// floating ones are of one type.
  PackedLayerFile(const model::SafetensorsFolder& files, const std::string& name,
                  const VptqLayerConfig& config);

  /// Reads and checks the contents. @p files is the folder given before.
  solver::VptqLayer unpack(const model::SafetensorsFolder& files) const;

  const solver::VptqLayer& sizes() const { return config_.sizes; }
  bool has_bias() const { return config_.has_bias; }
  const std::vector<std::string>& tensors() const { return tensors_; }  ///< without the bias

 private:
  void expect_float(const model::SafetensorsFolder& files, const char* part,
                    std::vector<std::size_t> shape);
  void expect(const model::SafetensorsFolder& files, const char* part, DType type,
              const std::vector<std::size_t>& shape);

  std::string name_;
  VptqLayerConfig config_;
  std::vector<std::string> tensors_;
};

}  // namespace tessera::format
