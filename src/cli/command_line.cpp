#include "cli/command_line.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "config/near_match.hpp"
#include "core/error.hpp"

namespace tessera::cli {

namespace po = boost::program_options;

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const std::size_t index = config::near_match(word, candidates);
  return index < candidates.size() ? fmt::format(" Did you mean {}?", candidates[index]) : "";
}

/// The command line taken apart, before anything is stored.
struct CommandLine::Parsed {
  std::vector<std::pair<const Option*, std::vector<std::string>>> options;
  std::vector<std::string> words;
};

std::string CommandLine::Option::boost_name() const {
  return letter == '\0' ? name : fmt::format("{},{}", name, letter);
}

CommandLine::CommandLine(std::string verb, std::string summary)
    : verb_(std::move(verb)), summary_(std::move(summary)) {
  flag("help", "print this page", wants_help_, 'h');
}

CommandLine::~CommandLine() = default;

void CommandLine::argument(std::string name, std::string text, std::string& value) {
  arguments_.push_back({std::move(name), std::move(text), &value, nullptr});
}

void CommandLine::rest(std::string name, std::string text, std::vector<std::string>& values) {
  arguments_.push_back({std::move(name), std::move(text), nullptr, &values});
}

void CommandLine::flag(std::string name, std::string text, bool& value, char letter) {
  options_.push_back({std::move(name), "", std::move(text), letter, &value});
}

void CommandLine::option(std::string name, std::string placeholder, std::string text,
                         std::string& value) {
  options_.push_back({std::move(name), std::move(placeholder), std::move(text), '\0', &value});
}

void CommandLine::option(std::string name, std::string placeholder, std::string text,
                         std::size_t& value, std::size_t minimum) {
  options_.push_back({std::move(name), std::move(placeholder), std::move(text), '\0',
                      WholeNumber{&value, minimum}});
}

void CommandLine::option(std::string name, std::string placeholder, std::string text, double& value,
                         double minimum, double maximum) {
  options_.push_back({std::move(name), std::move(placeholder), std::move(text), '\0',
                      RealNumber{&value, minimum, maximum}});
}

void CommandLine::options(std::string name, std::string placeholder, std::string text,
                          std::vector<std::string>& values) {
  options_.push_back({std::move(name), std::move(placeholder), std::move(text), '\0', &values});
}

bool CommandLine::parse(const Arguments& arguments) {
  const Parsed parsed = split(arguments);
  for (const auto& [option, values] : parsed.options) {
    if (option->target.index() == 0) *std::get<bool*>(option->target) = true;
  }
  if (wants_help_) {
    fmt::print("{}", help());
    return false;
  }
  for (const auto& [option, values] : parsed.options) store(*option, values);
  store_arguments(parsed.words);
  return true;
}

CommandLine::Parsed CommandLine::split(const Arguments& arguments) const {
  po::options_description known;
  for (const Option& option : options_) {
    if (option.is_flag()) {
      known.add_options()(option.boost_name().c_str(), "");
    } else {
      known.add_options()(option.boost_name().c_str(), po::value<std::vector<std::string>>(), "");
    }
  }
  po::positional_options_description words;
  words.add("", -1);
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;

  Parsed parsed;
  try {
    const auto result =
        po::command_line_parser(arguments).options(known).style(style).allow_unregistered().run();
    for (const auto& item : result.options) {
      if (item.unregistered) refuse_unknown(item.original_tokens.front());
      if (item.position_key >= 0) {
        parsed.words.insert(parsed.words.end(), item.value.begin(), item.value.end());
        continue;
      }
      const auto option = std::ranges::find(options_, item.string_key, &Option::name);
      require(option != options_.end(), "a parsed option is a declared one");
      parsed.options.emplace_back(&*option, item.value);
    }
  } catch (const po::error& error) {
    refuse(error.what());
  }
  return parsed;
}

void CommandLine::store(const Option& option, const std::vector<std::string>& values) const {
  if (option.is_flag()) return;
  const std::string& value = values.back();
  if (const auto* text = std::get_if<std::string*>(&option.target)) **text = value;
  if (const auto* list = std::get_if<std::vector<std::string>*>(&option.target)) {
    (*list)->insert((*list)->end(), values.begin(), values.end());
  }
  if (const auto* number = std::get_if<WholeNumber>(&option.target)) {
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, *number->value);
    if (error != std::errc{} || stop != end || *number->value < number->minimum) {
      refuse(fmt::format("--{} is \"{}\" (it must be a whole number, at least {})", option.name,
                         value, number->minimum));
    }
  }
  if (const auto* number = std::get_if<RealNumber>(&option.target)) {
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, *number->value);
    const bool is_within = number->minimum <= *number->value && *number->value <= number->maximum;
    if (error != std::errc{} || stop != end || !is_within) {
      refuse(fmt::format("--{} is \"{}\" (it must be a number from {} to {})", option.name, value,
                         number->minimum, number->maximum));
    }
  }
}

void CommandLine::store_arguments(const std::vector<std::string>& words) const {
  for (std::size_t k = 0; k < arguments_.size(); ++k) {
    if (k >= words.size()) {
      refuse(fmt::format("{} is missing ({})", arguments_[k].name, arguments_[k].text));
    }
    if (arguments_[k].value == nullptr) {
      arguments_[k].values->assign(words.begin() + static_cast<std::ptrdiff_t>(k), words.end());
      return;
    }
    *arguments_[k].value = words[k];
  }
  if (words.size() > arguments_.size()) {
    refuse(fmt::format("\"{}\" is one argument too many", words[arguments_.size()]));
  }
}

void CommandLine::refuse(const std::string& problem) const {
  throw InputError(fmt::format("{}{} {}", problem, problem.ends_with('?') ? "" : ".", usage()));
}

void CommandLine::refuse_unknown(const std::string& option) const {
  std::vector<std::string> names;
  for (const Option& known : options_) names.push_back("--" + known.name);
  const std::string typed = option.substr(0, option.find('='));
  const std::string hint = did_you_mean(typed, names);
  refuse(fmt::format("unknown option {}{}", typed, hint.empty() ? "" : "." + hint));
}

std::string CommandLine::usage() const {
  std::string words;
  for (const Argument& argument : arguments_) words += " " + argument.name;
  return fmt::format("Usage: tessera {}{} [options]; tessera {} --help tells more", verb_, words,
                     verb_);
}

std::string CommandLine::help() const {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Argument& a : arguments_) rows.emplace_back(a.name, a.text);
  for (const Option& option : options_) {
    std::string left = option.letter == '\0' ? "    " : fmt::format("-{}, ", option.letter);
    left += "--" + option.name + (option.is_flag() ? "" : " " + option.placeholder);
    rows.emplace_back(left, option.text);
  }
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());

  std::string page = summary_ + "\n\nUsage: tessera " + verb_;
  for (const Argument& argument : arguments_) page += " " + argument.name;
  page += " [options]\n\n";
  for (const auto& [left, right] : rows) page += fmt::format("  {:<{}}  {}\n", left, width, right);
  page += "\nExamples:\n";
  for (const std::string& command : examples_) page += "  " + command + "\n";
  return page;
}

}  // namespace tessera::cli
