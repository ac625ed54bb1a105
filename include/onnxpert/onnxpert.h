/* onnxpert.h - everything public. */
#ifndef ONNXPERT_ONNXPERT_H
#define ONNXPERT_ONNXPERT_H

#include "onnxpert/advise.h"
#include "onnxpert/analyze.h"
#include "onnxpert/dims.h"
#include "onnxpert/model.h"
#include "onnxpert/pass.h"
#include "onnxpert/report.h"
#include "onnxpert/status.h"

#endif
