/* schema.h - the formal side of the operators: parameters, types, attributes, versions.
 *
 * The table (schema_table.c) is data, made once by tests/support/make_schema_table.py from the
 * schemas of onnx 1.23.2 (ai.onnx to opset 28, ai.onnx.ml, ai.onnx.preview,
 * ai.onnx.preview.training) and those of ONNX Runtime 1.31.1 (com.microsoft, and the few it adds to
 * ai.onnx).  Neither is needed to build.  To add an operator by hand, append to the lists there and
 * run the script again. */
#ifndef OXP_OPS_SCHEMA_H
#define OXP_OPS_SCHEMA_H

#include "onnxpert/model.h"

/* Bit of a data type in a set. */
#define OXP_DTYPE_BIT(t) (1u << (unsigned)(t))

/* Types that a parameter may have: bit sets over oxp_dtype, one per kind of value. */
typedef struct oxp_schema_types {
    uint32_t tensor;       /* tensor(t), sparse_tensor(t)            */
    uint32_t sequence;     /* seq(tensor(t))                         */
    uint32_t optional;     /* optional(tensor(t))                    */
    uint32_t optional_seq; /* optional(seq(tensor(t)))               */
    bool map;              /* some map, or a sequence of maps         */
} oxp_schema_types;

enum { OXP_PARAM_SINGLE, OXP_PARAM_OPTIONAL, OXP_PARAM_VARIADIC };

typedef struct oxp_schema_param {
    const char *name;
    const char *type;    /* name of a constraint ("T") or a type ("tensor(int64)")      */
    uint16_t types;      /* index into oxp_schema_typesets                              */
    uint8_t option;      /* OXP_PARAM_...                                               */
    uint8_t homogeneous; /* variadic: all have the same type                            */
} oxp_schema_param;

typedef struct oxp_schema_attr {
    const char *name;
    uint8_t type; /* oxp_attr_type */
    uint8_t required;
    uint8_t
        has_default; /* of types INT (i), FLOAT (f), STRING (s); defaults of lists are not kept */
    int64_t i;
    float f;
    const char *s;
} oxp_schema_attr;

#define OXP_SCHEMA_MANY UINT32_MAX /* no upper bound of inputs or outputs */

typedef struct oxp_schema {
    const char *domain; /* "" is ai.onnx */
    const char *name;
    int32_t since; /* first opset version it is of */
    bool deprecated;
    uint32_t first_in, n_in;     /* oxp_schema_params: formal inputs  */
    uint32_t first_out, n_out;   /* oxp_schema_params: formal outputs */
    uint32_t first_attr, n_attr; /* oxp_schema_attrs                  */
    uint32_t min_in, max_in, min_out, max_out;
} oxp_schema;

/* The tables; schemas sorted by domain, name, version. */
extern const oxp_schema_types oxp_schema_typesets[];
extern const oxp_schema_param oxp_schema_params[];
extern const oxp_schema_attr oxp_schema_attrs[];
extern const oxp_schema oxp_schemas[];
extern const size_t oxp_schema_count;

/* The newest version of an operator that is not newer than the opset; NULL when there is none. */
const oxp_schema *oxp_schema_find(const char *domain, const char *op, int64_t opset);
/* The first opset with this operator, 0 when it is in no table. */
int64_t oxp_schema_first_version(const char *domain, const char *op);

/* The formal parameter of an actual input or output: slots beyond the list belong to a variadic
 * last one.  NULL when there is none. */
const oxp_schema_param *oxp_schema_input(const oxp_schema *s, uint32_t slot);
const oxp_schema_param *oxp_schema_output(const oxp_schema *s, uint32_t slot);
const oxp_schema_attr *oxp_schema_attr_find(const oxp_schema *s, const char *name);
/* The parameter's type: "T", or a type such as "tensor(int64)"; NULL when there is no such slot. */
const char *oxp_schema_input_type(const oxp_schema *s, uint32_t slot);
const char *oxp_schema_output_type(const oxp_schema *s, uint32_t slot);
/* May the parameter be a tensor of this type? */
bool oxp_schema_param_allows(const oxp_schema_param *p, oxp_dtype t);
bool oxp_schema_input_allows(const oxp_schema *s, uint32_t slot, oxp_dtype t);
bool oxp_schema_output_allows(const oxp_schema *s, uint32_t slot, oxp_dtype t);
/* The same by name of the constraint ("T") among the schema's parameters. */
bool oxp_schema_type_allows(const oxp_schema *s, const char *type, oxp_dtype t);

#endif
