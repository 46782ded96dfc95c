#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "jobs/plan.hpp"

// What a budget for the bits of all layers (quantize.budget) chooses from.
namespace tessera::jobs {

/// The changes to the method's settings that are candidates, none of them first: the job's, or some
/// around the method's own. Codebooks: main ones from a quarter to sixteen times the job's, and the
/// job's with a residual codebook of 16 and of 256. Integers: 2, 3, 4 and 8 bits, in groups of 128,
/// 64 and 32 columns where groups share scales.
std::vector<RecipeChange> recipe_changes(const QuantizeSettings& settings);

/// One way of quantizing a layer.
struct Recipe {
  LayerUnit unit;          ///< the layer with these settings
  std::uint64_t bits = 0;  ///< that the output holds for it, its residual's included
};

/// Every candidate that the layer's shape and the format allow; the method's own first. A layer
/// that an override matches has its own alone.
/// @pre the format holds the layer with the method's own
std::vector<Recipe> recipes_of(const QuantizeJob& job, const LayerUnit& unit);

/// "v=4 K=512", "v=4 K=256 Kr=16", "W4A16 group 64"
std::string recipe_text(const LayerUnit& unit);

/// The bits that the job's budget allows for all of @p units together.
std::uint64_t budget_bits(const QuantizeJob& job, const std::vector<LayerUnit>& units);

/// Throws InputError, saying the least that is possible, where the budget is below the cheapest
/// recipes of all layers. Nothing where the job sets no budget.
void require_possible_budget(const QuantizeJob& job, const std::vector<LayerUnit>& units);

}  // namespace tessera::jobs
