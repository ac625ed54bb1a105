/* chart.h - charts of HTML reports as inline SVG. */
#ifndef OXP_REPORT_PAGE_CHART_H
#define OXP_REPORT_PAGE_CHART_H

#include "onnxpert/report.h"

void oxp_page_bars(oxp_sink *o, const oxp_block *b);
void oxp_page_chart(oxp_sink *o, const oxp_block *b, oxp_arena *arena);

#endif
