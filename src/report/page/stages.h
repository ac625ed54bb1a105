/* stages.h - the roadmap as a picture: stages side by side, what is done in each, and bars of the
 * same measures in all of them. */
#ifndef OXP_REPORT_PAGE_STAGES_H
#define OXP_REPORT_PAGE_STAGES_H

#include "onnxpert/report.h"

void oxp_page_stages(oxp_sink *o, const oxp_stages *s);

#endif
