#include "jobs/attempt_events.hpp"

#include <cstdio>
#include <ctime>
#include <fstream>
#include <string_view>

#include "core/error.hpp"

namespace tessera::jobs {
namespace {

constexpr std::string_view kBegin = "{\"time\":";

Progress progress_of(const JsonValue& event) {
  return {event.at("stage").text(),
          event.at("unit").text(),
          static_cast<std::size_t>(event.at("done").integer()),
          static_cast<std::size_t>(event.at("total").integer()),
          event.at("done_cost").number(),
          event.at("detail").text()};
}

}  // namespace

std::optional<double> StageEvents::rate() const {
  if (last.done <= first.done || seconds() <= 0) return std::nullopt;
  return static_cast<double>(last.done - first.done) / seconds();
}

std::optional<double> StageEvents::remaining() const {
  const double share = last.done_cost - first.done_cost;
  if (!(share > 0) || seconds() <= 0) return std::nullopt;
  return seconds() * (1 - last.done_cost) / share;
}

void AttemptReader::take(const std::string& line) {
  // What a killed attempt left of its last line stands before the next one's first.
  const std::size_t begin = line.rfind(kBegin);
  if (begin == std::string::npos) return;
  try {
    take_event(JsonValue::parse(std::string_view(line).substr(begin), "an event"));
  } catch (const InputError&) {
    // Torn, or of another version: status says what the others tell.
  }
}

void AttemptReader::take_event(const JsonValue& event) {
  const std::string& type = event.at("type").text();
  if (type == "start") {
    const std::size_t before = events_.num_attempts;
    events_ = {};
    events_.num_attempts = before + 1;
  } else if (type == "warning") {
    events_.warnings.push_back(event.at("text").text());
  } else if (type == "error") {
    events_.error = event.at("text").text();
  } else if (type == "end") {
    events_.exit_code = static_cast<int>(event.at("exit_code").integer());
  } else if (type == "progress") {
    take_progress(event);
  }
}

void AttemptReader::take_progress(const JsonValue& event) {
  const Progress progress = progress_of(event);
  const double time = seconds_of_time(event.at("time").text());
  std::optional<StageEvents>& stage = events_.stage;
  if (!stage || stage->last.stage != progress.stage || progress.done < stage->last.done) {
    stage = StageEvents{progress, progress, time, time};
  }
  stage->last = progress;
  stage->last_time = time;
  if (progress.stage == "solve" && !progress.detail.empty()) ++events_.num_solved;
  // Progress after an end is of the attempt before: another was refused while this one ran.
  events_.error.clear();
  events_.exit_code.reset();
}

AttemptEvents read_attempt(const std::filesystem::path& file) {
  AttemptReader reader;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!in.eof()) reader.take(line);  // the last line is whole when its newline is there
  }
  return reader.events();
}

double seconds_of_time(const std::string& text) {
  std::tm time{};
  double seconds = 0;
  char zone = '\0';
  const int found =
      std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%lf%c", &time.tm_year, &time.tm_mon,
                  &time.tm_mday, &time.tm_hour, &time.tm_min, &seconds, &zone);
  require_input(found == 7 && zone == 'Z', "\"" + text + "\" is no time of an event");
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  return static_cast<double>(::timegm(&time)) + seconds;
}

}  // namespace tessera::jobs
