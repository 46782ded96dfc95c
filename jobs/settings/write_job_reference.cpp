#include <cstdio>
#include <fstream>

#include "jobs/settings/job_file.hpp"

// write_job_reference FILE: writes the page that docs/job_reference.md has to be.
int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: write_job_reference FILE\n", stderr);
    return 2;
  }
  std::ofstream file(argv[1], std::ios::binary);
  file << tessera::jobs::job_reference();
  file.close();
  if (file) return 0;
  std::fprintf(stderr, "cannot write %s\n", argv[1]);
  return 1;
}
