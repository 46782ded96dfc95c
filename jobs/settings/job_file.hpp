#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "config/settings_list.hpp"
#include "jobs/settings/job_settings.hpp"

// A job from a file and back; the only place where the settings meet the reader (see src/config).
namespace tessera::jobs {

struct JobFile {
  QuantizeJob job;
  std::vector<std::string> notes;  ///< what was read under another name, one sentence each, to log
};

/// Reads and checks @p file, with @p set_options ("quantize.seed=3", as given to --set) over it.
/// @throws InputError naming everything that is wrong with it, one line each
JobFile read_job(const std::filesystem::path& file, std::span<const std::string> set_options = {});

/// As read_job, from text; @p origin stands for the file's name in messages.
QuantizeJob job_from_text(const std::string& yaml, const std::string& origin);

/// The job as understood: every key, in the order of the reference. job_from_text gives it back.
std::string job_text(const QuantizeJob& job);

/// Every key with its value, for the fingerprint, and what differs between two jobs
/// (config::differences).
std::vector<config::Setting> settings_of(const QuantizeJob& job);

/// docs/job_reference.md.
std::string job_reference();

}  // namespace tessera::jobs
