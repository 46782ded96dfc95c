#include "jobs/replaced_weights.hpp"

#include <algorithm>
#include <utility>

namespace tessera::jobs {
namespace {

constexpr std::string_view kWeight = ".weight";

}  // namespace

ReplacedWeights::ReplacedWeights(const PreparedRun& prepared, const EqualizedWeights& original,
                                 Replace replace)
    : original_(original), replace_(std::move(replace)) {
  for (const LayerUnit& unit : prepared.units) units_[unit.layer.name] = &unit.layer;
}

std::optional<solver::QuantizedLayer> ReplacedWeights::replacement_of(
    std::string_view layer) const {
  const auto found = units_.find(layer);
  return found == units_.end() ? std::nullopt : replace_(*found->second);
}

void ReplacedWeights::read(std::string_view name, std::span<float> out) const {
  if (name.ends_with(kWeight)) {
    if (const auto layer = replacement_of(name.substr(0, name.size() - kWeight.size()))) {
      std::ranges::copy(solver::dequantize(*layer).span(), out.begin());
      return;
    }
  }
  original_.read(name, out);
}

/// Of embeddings only the rows that are asked for; a layer in its place is made whole.
void ReplacedWeights::read_rows(std::string_view name, Tile rows, std::span<float> out) const {
  const bool is_layer =
      name.ends_with(kWeight) && units_.contains(name.substr(0, name.size() - kWeight.size()));
  if (!is_layer) return original_.read_rows(name, rows, out);
  TensorSource::read_rows(name, rows, out);
}

std::optional<InputQuantization> ReplacedWeights::input_quantization(std::string_view layer) const {
  const auto replaced = replacement_of(layer);
  if (!replaced || !std::holds_alternative<solver::IntegerLayer>(*replaced)) return std::nullopt;
  return std::get<solver::IntegerLayer>(*replaced).input;
}

}  // namespace tessera::jobs
