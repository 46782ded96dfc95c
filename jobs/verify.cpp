#include "jobs/verify.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/manifest.hpp"
#include "jobs/plan.hpp"
#include "jobs/work_folder.hpp"
#include "store/sealed_file.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

/// Keeps what a reader warns of, as remarks.
class RemarkLog final : public Log {
 public:
  explicit RemarkLog(std::vector<std::string>& remarks) : remarks_(remarks) {}
  void info(const std::string&) override {}
  void warning(const std::string& text) override { remarks_.push_back(text); }
  void detail(const std::string&) override {}
  void progress(const Progress&) override {}

 private:
  std::vector<std::string>& remarks_;
};

/// What is wrong with a committed file, in one sentence; empty when nothing is.
std::string problem_of(const WorkFolder& work, const std::string& file) {
  std::string problem;
  try {
    if (work.digests_of(file).contains(store::require_sealed(work.path(file)))) return "";
    problem = fmt::format("{} is not what was committed (the journal has another SHA-256).",
                          work.path(file).string());
  } catch (const InputError& error) {
    problem = error.what();
  }
  if (fs::exists(work.path(file))) return problem;
  if (is_hidden_file(file)) return "";
  return fmt::format("{} is gone (the journal says that it was committed).",
                     work.path(file).string());
}

JsonValue texts_json(const std::vector<std::string>& texts) {
  JsonValue list = JsonValue::list();
  for (const std::string& text : texts) list.append(text);
  return list;
}

}  // namespace

Verification verify_work_folder(const fs::path& folder) {
  Verification found{folder, "work folder", 0, 0, {}, {}, {}};
  RemarkLog log(found.remarks);
  const WorkFolder work(folder, log);
  if (!work.holds_run()) {
    found.findings.push_back(fmt::format(
        "{} does not say whose run this is (its first line is damaged or was never written).",
        (folder / "journal.jsonl").string()));
  }
  for (const std::string& file : work.committed_below("")) {
    const std::string problem = problem_of(work, file);
    if (!problem.empty()) found.findings.push_back(problem);
    if (!problem.empty() || fs::exists(work.path(file))) ++found.num_files;
  }
  return found;
}

Verification verify(const fs::path& folder) {
  if (fs::exists(folder / format::kManifestName)) return verify_output(folder);
  if (fs::exists(folder / "journal.jsonl")) return verify_work_folder(folder);
  throw InputError(fmt::format(
      "{} {} (an output has a {}, written last; a work folder has a journal.jsonl). Name one of "
      "these.",
      folder.string(),
      fs::is_directory(folder) ? "is neither an output nor a work folder" : "is not a folder",
      format::kManifestName));
}

JsonValue to_json(const Verification& verification) {
  JsonValue document = JsonValue::object();
  document.set("path", verification.path.string())
      .set("kind", verification.kind)
      .set("sound", verification.is_sound())
      .set("files", verification.num_files)
      .set("tensors", verification.num_tensors)
      .set("findings", texts_json(verification.findings))
      .set("remarks", texts_json(verification.remarks));
  if (!verification.verdict.checks().empty()) {
    document.set("checks", to_json(verification.verdict).at("checks"));
  }
  return document;
}

}  // namespace tessera::jobs
