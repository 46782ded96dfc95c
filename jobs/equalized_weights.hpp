#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "jobs/prepared_run.hpp"
#include "jobs/work_files.hpp"
#include "jobs/work_folder.hpp"
#include "model/tensor_source.hpp"

namespace tessera::jobs {

/// True when the job balances inputs and weights before it solves.
bool equalizes(const QuantizeSettings& settings);

/// Which channels of an input must share a scale: those of the query heads that read one value head
/// (aweq.md section 2). By channel; empty: each has its own.
std::vector<std::uint32_t> tied_channels(const model::ModelConfig& config, model::InputRole role);

/// The input whose scale @p key has: that of all tokens for what experts read together.
model::InputKey balanced_as(const model::InputKey& key);

/// The model as it is quantized: each scale s of an input multiplies the columns of the layers that
/// read it and divides what makes the input (aweq.md section 2):
///
///     attention_input, mlp_input   the norm's weight and bias; a mixture's router and experts
///                                  all read mlp_input, so they share its scale
///     attention_output             v's rows and bias, one scale a value head and dimension
///     mlp_hidden                   up's rows and bias (gate goes through SiLU and stays), or fc1's
///                                  before ReLU; for each expert its own
///
/// Norms are folded in fp32 and rounded to the type of the output; the columns get what the rounded
/// norm really lost, so folding is exact in the stored type. Without equalization, the model as it
/// is.
class EqualizedWeights final : public model::TensorSource {
 public:
  /// Reads the committed scales. @pre every block's are, where the job equalizes
  EqualizedWeights(const PreparedRun& prepared, const WorkFolder& work);

  bool contains(std::string_view name) const override { return base_.contains(name); }
  model::TensorInfo info(std::string_view name) const override { return base_.info(name); }
  void read(std::string_view name, std::span<float> out) const override;
  void read_rows(std::string_view name, Tile rows, std::span<float> out) const override;
  std::string origin() const override { return base_.origin(); }

  /// Tensors that are not the original's, sorted.
  std::vector<std::string> changed_tensors() const;
  /// What the input @p role of @p block is divided by, exactly; empty: nothing.
  std::span<const float> scale_of(std::size_t block, const model::InputKey& role) const;

 private:
  /// What is done to a tensor: element (i, j) of (rows, cols) * column[j] / row[i].
  struct Change {
    std::size_t rows = 0, cols = 0;
    std::vector<float> column, row;  ///< empty: 1
    std::vector<float> values;       ///< a norm's new values, instead
  };
  void fold(std::size_t block, const model::InputKey& role, std::span<const float> scale);
  std::vector<float> fold_into_norm(std::size_t block, model::InputRole role,
                                    std::span<const float> scale);
  void fold_into_rows(const model::LinearLayer& producer, model::LinearRole role,
                      std::span<const float> by_row);
  void scale_columns(std::size_t block, const model::InputKey& role, std::span<const float> scale);

  const PreparedRun& prepared_;
  const model::SafetensorsFolder& base_;
  std::map<std::string, Change, std::less<>> changes_;
  std::map<std::pair<std::size_t, model::InputKey>, std::vector<float>> scales_;
};

}  // namespace tessera::jobs
