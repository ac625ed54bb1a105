/* xml_memory.h - memory for libxml2, which does not bear being refused any: some of its functions
 * crash, others go on with an element or an attribute missing.  So there is a reserve, taken before
 * libxml2 is called; what malloc refuses comes from it, and the caller is told afterwards. */
#ifndef OXP_BASE_XML_MEMORY_H
#define OXP_BASE_XML_MEMORY_H

#include <stdbool.h>

#include "onnxpert/status.h"

/* Before libxml2 is used in a thread for a document of so many bytes.  Raises OXP_E_NOMEM. */
void oxp_xml_begin(oxp_ctx *ctx, size_t bytes);
/* Was the reserve touched since?  oxp_raise turns every failure into OXP_E_NOMEM then. */
bool oxp_xml_starved(void);
void oxp_xml_forget(void);
/* Raises OXP_E_NOMEM if it was. */
void oxp_xml_check(oxp_ctx *ctx);
/* In a process of its own with one thread: small blocks come from a pool from now on. */
void oxp_xml_pool(void);
/* In a process of its own: ends it with this code instead. */
void oxp_xml_exit_when_starved(int code);
/* In a process of its own with one thread: ends it with this code when blocks made from now on hold
 * more than so many bytes (those of the pool not counted). */
void oxp_xml_limit(size_t bytes, int code);

#endif
