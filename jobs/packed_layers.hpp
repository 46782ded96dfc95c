#pragma once
#include <map>
#include <string>
#include <vector>

#include "format/format_text.hpp"
#include "format/integer_format.hpp"
#include "format/packed_model.hpp"
#include "format/vptq_sizes.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/work_files.hpp"
#include "jobs/work_folder.hpp"

// How solved layers become tensors of the job's output format: the one place that knows all
// formats.
namespace tessera::jobs {

/// Sizes of the packed layers by name: codebooks or integers, a job makes one kind.
struct PackedSizes {
  format::LayerSizes vptq;
  format::IntegerSizes integers;
  format::DeclaredBiases biases;  ///< what config.json has to declare beyond the original

  void add(const model::LinearLayer& layer, const solver::QuantizedLayer& solved);
  /// Where one layer of a class that config.json switches as a whole has a bias, all of its layers
  /// get one.
  void declare_biases(const model::ModelConfig& config);
};

/// Why the format cannot hold a layer of these sizes; empty: fine.
std::vector<std::string> format_problems(OutputFormat format, const solver::QuantizedLayer& sizes);

/// Throws InputError naming two layers where the format wants the integers of all to be alike and
/// they differ.
void require_one_scheme(OutputFormat format, const PackedSizes& sizes);

/// The unit's layer of this name. @pre there is one
const model::LinearLayer& layer_named(const PreparedRun& prepared, const std::string& name);

SolvedLayer load_solved(const WorkFolder& work, const model::LinearLayer& layer);

/// Bits of all tensors but its bias that replace a layer of these sizes, exactly as written.
std::uint64_t packed_bits(OutputFormat format, const model::LinearLayer& layer,
                          const solver::QuantizedLayer& sizes);

/// As written: a permutation that the format absorbs is not stored.
double stored_bits_per_weight(const solver::QuantizedLayer& layer);

/// What replaces each packed layer's weight.
std::map<std::string, std::vector<model::TensorToWrite>> packed_tensors(const PreparedRun& prepared,
                                                                        const PackedSizes& sizes,
                                                                        const WorkFolder& work);

/// Tensors beside the packed weights that are not the original's: folded norms, scaled layers that
/// were not packed, biases.
/// @p weights outlives the result
std::map<std::string, format::ChangedTensor> changed_tensors(const PreparedRun& prepared,
                                                             const PackedSizes& sizes,
                                                             const EqualizedWeights& weights);

/// What the model card says of the format.
format::FormatText format_text(const PreparedRun& prepared, const PackedSizes& sizes);

/// config.json and what else the format wants, by file name.
std::map<std::string, std::string> config_files(const PreparedRun& prepared,
                                                const PackedSizes& sizes);

}  // namespace tessera::jobs
