#pragma once
#include <set>
#include <string>

#include "jobs/run_record.hpp"

// What a redo of some layers may change and what it makes again: sets of names, no files.
namespace tessera::jobs {

/// The commits that a redo of @p layers (files below solved/) under @p fingerprint makes again:
/// those layers, what was noted of their failures, corrections of biases that samples showed (of
/// all layers, since each holds what those in front of it lost), and the scales that balance inputs
/// where other settings for all layers decide them. Throws InputError naming a key that differs and
/// that a redo must not change: of some layers, anything but their settings (quantize.overrides);
/// of all, what calibration depends on. @p where names the run in messages.
std::set<std::string> commits_made_again(const RunRecord& record, const Fingerprint& fingerprint,
                                         const std::set<std::string>& layers,
                                         const std::string& where);

}  // namespace tessera::jobs
