#pragma once
#include <string>

// Quantities as people read them: at most three digits that matter, with their unit.
namespace tessera {

/// "0.4s", "12s", "3m05s", "2h07m"; "?" for a negative number or NaN.
std::string duration_text(double seconds);

/// "3.1/s", "12/min", "4.0/h": the unit of time that gives a number one can picture.
std::string rate_text(double per_second);

/// "512 B", "1.5 MB", "84 GB": powers of ten, as file managers and disk makers count.
std::string bytes_text(double bytes);

}  // namespace tessera
