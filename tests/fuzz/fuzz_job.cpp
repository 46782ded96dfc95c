// A job's YAML; a job that is accepted is written and read back as it was understood.
#include <string>

#include "core/error.hpp"
#include "jobs/settings/job_file.hpp"
#include "tests/fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  try {
    const auto job =
        jobs::job_from_text(std::string(reinterpret_cast<const char*>(data), size), "input.yaml");
    const std::string text = jobs::job_text(job);
    require(jobs::job_text(jobs::job_from_text(text, "own.yaml")) == text,
            "a job survives the round trip");
  } catch (const InputError&) {
  }
  return 0;
}
