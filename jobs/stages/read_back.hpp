#pragma once
#include <string>
#include <vector>

#include "jobs/prepared_run.hpp"
#include "jobs/work_folder.hpp"
#include "model/tensor_source.hpp"

namespace tessera::jobs {

/// Compares the packed model, as its reader sees it, with what was solved: every tensor of the
/// architecture is there, of its shape and finite, and each packed layer's weights are those whose
/// proxy error was reported (to the rounding of one fp32 operation: the reader and the solver add
/// in their own ways). One sentence a finding. Looks at the share of @p rank of @p num_ranks.
std::vector<std::string> find_damage(const PreparedRun& prepared, const model::TensorSource& packed,
                                     const WorkFolder& work, std::size_t rank = 0,
                                     std::size_t num_ranks = 1);

}  // namespace tessera::jobs
