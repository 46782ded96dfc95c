#include "schedulers/launch/slurm_settings.hpp"

#include <charconv>

#include <fmt/core.h>

namespace tessera::schedulers {
namespace {

/// The numbers between the separators; nothing where one is missing or no number.
std::optional<std::vector<long>> numbers_of(std::string_view text) {
  std::vector<long> numbers;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data();; ++at) {
    long number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 0 || number > 1'000'000) return std::nullopt;
    numbers.push_back(number);
    if (next == end) return numbers;
    if (*next != ':') return std::nullopt;
    at = next;
  }
}

void check_words(Problems& problems, const char* key, const std::string& text) {
  if (text.find_first_of(" \t\n\"'$`\\") == std::string::npos) return;
  problems.add(key, fmt::format("is '{}' (it becomes part of a batch script's #SBATCH line). Leave "
                                "out blanks, quotes, $ and \\.",
                                text));
}

}  // namespace

void check(Problems& problems, const SlurmSettings& s) {
  const auto limit = parse_time_limit(s.time);
  if (!limit || limit->count() == 0) {
    problems.add("time", fmt::format("is '{}' (Slurm writes a time limit as HH:MM:SS or "
                                     "D-HH:MM:SS). Write 04:00:00 for four hours.",
                                     s.time));
  } else if (limit->count() <= s.signal_seconds) {
    problems.add("signal_seconds",
                 fmt::format("is {} (the walltime slurm.time is {} seconds, so the run would be "
                             "asked to stop as it starts). Lower it.",
                             s.signal_seconds, limit->count()));
  }
  check_words(problems, "mem", s.mem);
  check_words(problems, "partition", s.partition);
  check_words(problems, "account", s.account);
  check_words(problems, "qos", s.qos);
  check_words(problems, "constraint", s.constraint);
  check_words(problems, "mpi", s.mpi);
  if (s.mpi.empty()) problems.add("mpi", "is empty (srun must know how ranks meet). Write pmix.");
  for (std::size_t i = 0; i < s.options.size(); ++i) {
    if (s.options[i].starts_with("--") && s.options[i].find('\n') == std::string::npos) continue;
    problems.add(fmt::format("options[{}]", i),
                 fmt::format("is '{}' (sbatch's options begin with --). Write it as --name=value.",
                             s.options[i]));
  }
}

std::optional<std::chrono::seconds> parse_time_limit(std::string_view text) {
  const auto dash = text.find('-');
  long days = 0;
  if (dash != std::string_view::npos) {
    const auto number = numbers_of(text.substr(0, dash));
    if (!number || number->size() != 1) return std::nullopt;
    days = number->front();
    text.remove_prefix(dash + 1);
  }
  const auto numbers = numbers_of(text);
  if (!numbers || numbers->size() > 3) return std::nullopt;
  const std::vector<long>& n = *numbers;
  const auto at = [&](std::size_t i) { return i < n.size() ? n[i] : 0; };
  long seconds = 0;
  if (dash != std::string_view::npos || n.size() == 3) {
    seconds = 3600 * at(0) + 60 * at(1) + at(2);  // hours come first
  } else {
    seconds = 60 * at(0) + at(1);  // minutes do
  }
  return std::chrono::seconds(86'400 * days + seconds);
}

std::vector<std::string> sbatch_lines(const SlurmSettings& settings, std::string_view job_name) {
  std::vector<std::string> lines;
  const auto add = [&](std::string_view name, const auto& value) {
    lines.push_back(fmt::format("#SBATCH --{}={}", name, value));
  };
  const auto add_wanted = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) add(name, value);
  };
  add("job-name", job_name);
  add("nodes", settings.nodes);
  add("ntasks-per-node", settings.ntasks_per_node);
  if (settings.cpus_per_task > 0) add("cpus-per-task", settings.cpus_per_task);
  add("time", settings.time);
  add_wanted("mem", settings.mem);
  add_wanted("partition", settings.partition);
  add_wanted("account", settings.account);
  add_wanted("qos", settings.qos);
  add_wanted("constraint", settings.constraint);
  add("signal", fmt::format("B:USR1@{}", settings.signal_seconds));
  lines.push_back(settings.requeue ? "#SBATCH --requeue" : "#SBATCH --no-requeue");
  add("open-mode", "append");
  add("output", "%x_%j.log");
  for (const std::string& option : settings.options) lines.push_back("#SBATCH " + option);
  return lines;
}

}  // namespace tessera::schedulers
