#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "forward/block.hpp"
#include "model/model_config.hpp"
#include "residual/channel_selection.hpp"
#include "residual/residual_source.hpp"

namespace tessera::evaluation {

/// How a packed model is compensated.
struct CompensationSettings {
  residual::SelectionRule rule = residual::SelectionRule::exact;
  std::uint64_t k_chunk = 0;                        ///< channels of each 1024
  std::map<std::string, std::uint64_t> k_chunk_of;  ///< by layer, instead, where it is not empty
  std::size_t first_position = 0;  ///< tokens before it in their sequence are not compensated
};

/// How residuals are multiplied: both give the same sum, not to the bit.
enum class ResidualForm {
  dense,   ///< decoded once, for many tokens at a time
  fetched  ///< the chosen channels' codes, for few
};

/// What was chosen, against the largest magnitudes of all channels; counted on every 16th position.
struct SelectionCount {
  std::atomic<std::uint64_t> num_chosen{0}, num_largest{0};
  /// Share of the largest that was chosen; 1 when nothing was counted.
  double recall() const;
};

/// Adds the residuals of a file to blocks of the packed model it was made for.
class Compensator {
 public:
  /// @p residuals outlives it
  Compensator(const residual::ResidualSource& residuals, CompensationSettings settings,
              ResidualForm form = ResidualForm::dense);

  /// Gives every layer of block @p block that has a residual its compensation. Throws InputError
  /// for a residual of another shape than the layer's.
  void add_to(const model::ModelConfig& config, std::size_t block,
              forward::BlockWeights& weights) const;

  /// Bytes that one compensated token fetches: the chosen channels' codes and every row's scale, as
  /// DecDEC's kernel reads them. Of a mixture's experts a token's share, as if it were sent to all
  /// alike.
  std::uint64_t bytes_per_token(const model::ModelConfig& config) const;

  const SelectionCount& count() const { return *count_; }

 private:
  std::uint64_t k_chunk_of(const std::string& layer) const;

  const residual::ResidualSource& residuals_;
  CompensationSettings settings_;
  ResidualForm form_;
  std::shared_ptr<SelectionCount> count_;
};

}  // namespace tessera::evaluation
