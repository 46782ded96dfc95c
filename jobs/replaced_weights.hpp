#pragma once
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "jobs/equalized_weights.hpp"
#include "solver/quantized_layer.hpp"

namespace tessera::jobs {

/// The model of which layers are quantized, with some or all of them as a solver left them: their
/// dequantized weights, and how an engine rounds their inputs. Biases are the model's own.
class ReplacedWeights final : public model::TensorSource {
 public:
  /// The layer in its place; nothing: it is as it was.
  using Replace = std::function<std::optional<solver::QuantizedLayer>(const model::LinearLayer&)>;

  /// Asks @p replace whenever a layer is read. @p original outlives this
  ReplacedWeights(const PreparedRun& prepared, const EqualizedWeights& original, Replace replace);

  bool contains(std::string_view name) const override { return original_.contains(name); }
  model::TensorInfo info(std::string_view name) const override { return original_.info(name); }
  void read(std::string_view name, std::span<float> out) const override;
  void read_rows(std::string_view name, Tile rows, std::span<float> out) const override;
  std::optional<InputQuantization> input_quantization(std::string_view layer) const override;
  std::string origin() const override { return original_.origin(); }

 private:
  std::optional<solver::QuantizedLayer> replacement_of(std::string_view layer) const;

  const EqualizedWeights& original_;
  const Replace replace_;
  std::map<std::string, const model::LinearLayer*, std::less<>> units_;  ///< by name
};

}  // namespace tessera::jobs
