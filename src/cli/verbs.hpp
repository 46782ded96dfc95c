#pragma once
#include "cli/command_line.hpp"

// One function per verb, one file each. It gets what follows the verb, prints data to stdout and
// text for people to stderr, and returns the exit code; what goes wrong it throws.
namespace tessera::cli {

/// What the shell is told (docs/getting_started.md lists them for users).
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,    ///< the machine's failure, or our bug
  kBadInput = 2,  ///< command line, job or file
  kDegraded = 3,  ///< done, but named layers fell back
  kGateFailed =
      4,  ///< done, but the result is worse than the job, or a bound, allows; a plan: will be
};

int plan_verb(const Arguments& arguments);
int run_verb(const Arguments& arguments);
int preflight_verb(const Arguments& arguments);
int redo_verb(const Arguments& arguments);
int eval_verb(const Arguments& arguments);
int generate_verb(const Arguments& arguments);
int inspect_verb(const Arguments& arguments);
int status_verb(const Arguments& arguments);
int submit_verb(const Arguments& arguments);
int verify_verb(const Arguments& arguments);
int compare_verb(const Arguments& arguments);
int merge_verb(const Arguments& arguments);

}  // namespace tessera::cli
