#pragma once

namespace deltarule {

// How a pass over rows ended.
enum class PassEnd { complete, interrupted, diverged };

}  // namespace deltarule
