#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/model_config.hpp"
#include "model/safetensors_file.hpp"
#include "model/safetensors_writer.hpp"
#include "model/tensor_source.hpp"
#include "solver/vptq/vptq_layer.hpp"

// The checkpoint format of the `vptq` package and of transformers 4.48 to 4.57 (vptq.md section 3).
namespace tessera::format {

/// The tensors a packed layer becomes, in the model's stored type: "<prefix>.centroids.weight", ".indices", ...
/// @p load gives the layer when its turn to be written comes; @p shape_of is the same layer's sizes (its arrays may be empty).
std::vector<model::TensorToWrite> vptq_tensors(const std::string& prefix, const solver::VptqLayer& sizes,
                                               const std::function<solver::VptqLayer()>& load);

/// Packs one row of indices (main low, residual high, LSB first, rows padded to 32 bits): vptq.md 3.4.
void pack_indices(std::span<const std::uint16_t> main, std::span<const std::uint16_t> residual,
                  int main_bits, int residual_bits, std::span<std::uint32_t> words);
std::size_t packed_words(std::size_t group_size, int bits_per_index);

/// config.json of the packed model: the original's, with quantization_config (the 13 keys per layer) and torch_dtype.
std::string vptq_config_json(const model::ModelConfig& original,
                             const std::map<std::string, solver::VptqLayer>& sizes_of_layers,
                             StoredType stored_type);

/// Why a layer with these sizes would not load, or load wrongly, in the released package; empty when it is fine.
std::vector<std::string> compatibility_problems(const solver::VptqLayer& sizes);

/// A packed folder read back, by code that shares nothing with the writer: tensors by their plain names, packed
/// layers dequantized when "<layer>.weight" is read. Every name, type, shape and index is checked.
class VptqFolder final : public model::TensorSource {
 public:
  explicit VptqFolder(const std::filesystem::path& folder);
  ~VptqFolder() override;

  bool contains(std::string_view name) const override;
  model::TensorInfo info(std::string_view name) const override;
  void read(std::string_view name, std::span<float> out) const override;
  std::string origin() const override;

  std::vector<std::string> packed_layers() const;         ///< module paths, sorted
  solver::VptqLayer packed_layer(std::string_view name) const;  ///< as unpacked from the file

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

/// Opens a model folder, plain or packed, as its config.json says.
std::unique_ptr<model::TensorSource> open_weights(const std::filesystem::path& folder);

}  // namespace tessera::format
