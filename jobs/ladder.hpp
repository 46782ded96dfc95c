#pragma once
#include <string>
#include <vector>

#include "jobs/settings/job_settings.hpp"

// What is tried with a layer that fails, in words and numbers; stages/solve.hpp does the trying.
namespace tessera::jobs {

/// One try at a layer, the failed first one among them.
struct Rung {
  std::string tried;    ///< "dampening 0.2", "plain", "keep"
  std::string problem;  ///< why it failed; empty: it held
};

template <class Archive>
void archive(Archive& a, Rung& r) {
  a("tried", r.tried);
  a("problem", r.problem);
}

/// quarantine/block-00004/mlp.down_proj.h5: a layer that was put aside so that the others go first.
struct Quarantine {
  std::string problem;       ///< of the first try
  bool has_hessian = false;  ///< the input has one, so that more dampening may help
};

template <class Archive>
void archive(Archive& a, Quarantine& q) {
  a("problem", q.problem);
  a("has_hessian", q.has_hessian);
}

/// "dampening 0.2"
std::string name_of_try(double dampening);

/// The further values of dampening_frac to try with a layer that failed at the job's own.
std::vector<double> further_dampening(const QuantizeSettings& settings);

/// "dampening 0.05 failed (the Hessian is not positive definite ...); dampening 0.2 held"
std::string text_of(const std::vector<Rung>& ladder);

}  // namespace tessera::jobs
