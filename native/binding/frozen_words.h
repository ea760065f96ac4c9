#pragma once

#include "binding/describe.h"
#include "ops/frozen.h"

ATHANOR_WORDS(athanor::FrozenFormat, {"int8", athanor::FrozenFormat::kInt8},
              {"nf4", athanor::FrozenFormat::kNf4})
ATHANOR_FIELDS(athanor::ops::FrozenWeight, codes, scales, format, outputs, inputs)
