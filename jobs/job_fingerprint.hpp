#pragma once
#include "jobs/fingerprint.hpp"
#include "jobs/prepared_run.hpp"

// What of a job decides the bytes of its result. Settings count by value, what they name by
// content: folders may move, files may not change.
namespace tessera::jobs {

/// Of settings alone; needs neither tokens nor digests.
Fingerprint fingerprint_of_settings(const PreparedRun& prepared);

/// With the contents of the model and of the tokens. @pre prepared has its tokens and digests
Fingerprint fingerprint_of(const PreparedRun& prepared);

/// Of settings, with the contents that a run has noted: what this job would be if they are the
/// same.
Fingerprint fingerprint_on_contents_of(const Fingerprint& run, const PreparedRun& prepared);

}  // namespace tessera::jobs
