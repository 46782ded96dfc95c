#include "core/error.hpp"
#include "format/residual_file.hpp"
#include "jobs/gate/checks.hpp"

namespace tessera::jobs {
namespace {

/// @p step adds what it refuses.
template <class Step>
void guarded(Verdict& verdict, const std::string& name, Step&& step) {
  try {
    step();
  } catch (const InputError& error) {
    verdict.add("residuals", name, error.what());
  }
}

}  // namespace

void check_residuals(const OutputFiles& files, Verdict& verdict) {
  if (files.of_stem(format::kResidualStem).empty()) return;
  guarded(verdict, format::kResidualFileName, [&] {
    const format::ResidualFile residuals(files.folder());
    verdict.check("residuals").num_looked_at = residuals.layers().size();
    guarded(verdict, format::kResidualFileName, [&] {
      residuals.require_base(files.folder(), model::read_model_config(files.folder()));
    });
    for (const std::string& layer : residuals.layers()) {
      guarded(verdict, layer, [&] { residuals.read(layer); });
    }
  });
}

}  // namespace tessera::jobs
