#include "jobs/jsonl_log.hpp"

#include <chrono>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "core/json_value.hpp"

namespace tessera::jobs {
namespace {

std::string time_now() {
  const auto now = std::chrono::system_clock::now();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms);
}

JsonValue event(const char* type) {
  JsonValue value = JsonValue::object();
  value.set("time", time_now()).set("type", type);
  return value;
}

}  // namespace

JsonlLog::JsonlLog(std::filesystem::path file, std::filesystem::path sign)
    : file_(std::move(file)), sign_(std::move(sign)) {
  write_line(event("start").to_text());
}

void JsonlLog::end(int exit_code) {
  write_line(event("end").set("exit_code", exit_code).to_text());
}

void JsonlLog::progress(const Progress& p) {
  JsonValue line = event("progress");
  line.set("stage", p.stage).set("unit", p.unit).set("done", p.done).set("total", p.total);
  line.set("done_cost", p.done_cost).set("detail", p.detail);
  write_line(line.to_text());
}

void JsonlLog::write_text(const char* type, const std::string& text) {
  write_line(event(type).set("text", text).to_text());
}

void JsonlLog::write_line(const std::string& line) {
  const std::scoped_lock lock(mutex_);
  kept_ += line + '\n';
  std::error_code ignored;
  if (!out_.is_open()) {
    if (!std::filesystem::exists(sign_, ignored)) return;
    std::filesystem::create_directories(file_.parent_path(), ignored);
    out_.open(file_, std::ios::app);
  }
  out_.clear();
  out_ << kept_ << std::flush;
  kept_.clear();
}

void TeeLog::info(const std::string& text) {
  first_.info(text);
  second_.info(text);
}

void TeeLog::warning(const std::string& text) {
  first_.warning(text);
  second_.warning(text);
}

void TeeLog::detail(const std::string& text) {
  first_.detail(text);
  second_.detail(text);
}

void TeeLog::progress(const Progress& progress) {
  first_.progress(progress);
  second_.progress(progress);
}

}  // namespace tessera::jobs
