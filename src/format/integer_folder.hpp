#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/tensor_source.hpp"
#include "solver/integer/integer_layer.hpp"

namespace tessera::format {

/// A compressed-tensors or GPTQ folder read back, by code that shares no packing with the writer:
/// tensors by their plain names, packed layers dequantized when "<layer>.weight" is read (one layer
/// in memory at a time, nothing kept).
///
/// Opening checks config.json, that exactly the layers it means are packed, and the name, type and
/// shape of every tensor of a packed layer; a bias that config.json does not declare is an error,
/// since engines drop it without a word. Reading a layer checks its contents. Every failure is an
/// InputError with file, layer, tensor and value.
class IntegerFolder final : public model::TensorSource {
 public:
  explicit IntegerFolder(const std::filesystem::path& folder);
  ~IntegerFolder() override;

  bool contains(std::string_view name) const override;
  model::TensorInfo info(std::string_view name) const override;
  void read(std::string_view name, std::span<float> out) const override;
  void read_rows(std::string_view name, Tile rows, std::span<float> out) const override;
  std::optional<InputQuantization> input_quantization(std::string_view layer) const override;
  std::string origin() const override;

  std::vector<std::string> packed_layers() const;                  ///< module paths, sorted
  solver::IntegerLayer packed_layer(std::string_view name) const;  ///< as unpacked from the file

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

}  // namespace tessera::format
