#include "jobs/gate/checks.hpp"

namespace tessera::jobs {

void check_papers(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict) {
  check_files(files, manifest, verdict);
  check_shards(files, verdict);
  check_tensors(files, manifest, verdict);
  check_config(files, manifest, verdict);
  check_tokenizer(files, manifest, verdict);
  check_residuals(files, verdict);
}

}  // namespace tessera::jobs
