#include "jobs/job_fingerprint.hpp"

#include <algorithm>
#include <span>
#include <string_view>

#include <fmt/core.h>

#include "core/digest.hpp"
#include "jobs/settings/job_file.hpp"

namespace tessera::jobs {
namespace {

constexpr std::string_view kContent = "the content of ";

std::string digest_of_tokens(const calibration::TokenStream& stream) {
  return digest_of_bytes(std::as_bytes(std::span(stream.tokens)));
}

/// "calibration.text" as well as "calibration.text[0]".
bool names_content(std::string_view key) {
  static constexpr std::string_view kNames[] = {"model.path", "calibration.text",
                                                "calibration.tokens", "evaluation.text",
                                                "evaluation.tokens"};
  return std::ranges::find(kNames, key.substr(0, key.find('['))) != std::end(kNames);
}

std::string content_of(const std::string& what) {
  return std::string(kContent) + what;
}

}  // namespace

Fingerprint fingerprint_of_settings(const PreparedRun& prepared) {
  Fingerprint fingerprint;
  fingerprint.add("the version of this program", TESSERA_VERSION);
  for (const auto& setting : settings_of(prepared.job)) {
    if (setting.has_effect && !names_content(setting.key)) {
      fingerprint.add(setting.key, setting.value);
    }
  }
  if (prepared.extras != calibration::StatisticsExtras{}) {
    fingerprint.add("what calibration keeps beside its sums",
                    fmt::format("{} tokens, what a k_chunk of {} leaves",
                                prepared.extras.sample.num_rows, prepared.extras.k_chunk));
  }
  return fingerprint;
}

Fingerprint fingerprint_of(const PreparedRun& prepared) {
  Fingerprint fingerprint = fingerprint_of_settings(prepared);
  for (const auto& [file, digest] : prepared.input_digests) {
    fingerprint.add(content_of(file), digest);
  }
  fingerprint.add(content_of("the calibration tokens"),
                  digest_of_tokens(prepared.calibration_tokens));
  if (prepared.evaluation_tokens) {
    fingerprint.add(content_of("the evaluation tokens"),
                    digest_of_tokens(*prepared.evaluation_tokens));
  }
  return fingerprint;
}

Fingerprint fingerprint_on_contents_of(const Fingerprint& run, const PreparedRun& prepared) {
  Fingerprint fingerprint = fingerprint_of_settings(prepared);
  for (const auto& [key, value] : run.parts()) {
    if (key.starts_with(kContent)) fingerprint.add(key, value);
  }
  return fingerprint;
}

}  // namespace tessera::jobs
