#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/tensor_source.hpp"
#include "solver/vptq/vptq_layer.hpp"

namespace tessera::format {

/// A packed folder read back, by code that shares sizes but no packing with the writer: tensors by
/// their plain names, packed layers dequantized when "<layer>.weight" is read (one layer in memory
/// at a time, nothing kept).
///
/// Opening checks config.json and the name, type and shape of every tensor of a packed layer;
/// reading a layer checks its contents: indices below the number of centroids, zero padding bits,
/// finite codebooks and scales, perm a permutation. Every failure is an InputError with file,
/// layer, tensor and value.
class VptqFolder final : public model::TensorSource {
 public:
  explicit VptqFolder(const std::filesystem::path& folder);
  ~VptqFolder() override;

  bool contains(std::string_view name) const override;
  model::TensorInfo info(std::string_view name) const override;
  void read(std::string_view name, std::span<float> out) const override;
  void read_rows(std::string_view name, Tile rows, std::span<float> out) const override;
  std::string origin() const override;

  std::vector<std::string> packed_layers() const;               ///< module paths, sorted
  solver::VptqLayer packed_layer(std::string_view name) const;  ///< as unpacked from the file

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

}  // namespace tessera::format
