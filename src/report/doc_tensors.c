/* doc_tensors.c - inputs, outputs and activations of the main graph before and after: which have
 * another type or shape, how many are gone or new.  Inputs as the model declares them, the rest at
 * the sizes that are assumed on either side. */
#include <string.h>

#include "base/intern.h"
#include "report/analysis_doc.h"
#include "report/comparison.h"
#include "report/parts.h"

/* Of more tensors than this the rest is not compared, and the report says so. */
enum { FACES_MOST = 16384, LISTED = 10 };

static const char *face_text(const oxp_model *m, const oxp_type *t, oxp_arena *arena) {
    const char *type = oxp_type_text(NULL, t, arena), *shape = "";
    if (t->kind == OXP_KIND_TENSOR && t->rank >= 0) {
        shape = " [";
        for (int i = 0; i < t->rank; i++)
            shape = oxp_sprintf(arena, "%s%s%s", shape, i ? ", " : "",
                                oxp_dim_text(oxp_model_dims(m), t->dims[i], arena));
        shape = oxp_sprintf(arena, "%s]", shape);
    }
    return oxp_sprintf(arena, "%s%s", type ? type : "unknown", shape);
}

void oxp_side_tensors(const oxp_analysis *a, oxp_side *s, oxp_arena *arena) {
    const oxp_model *m = a->model;
    size_t n = 0;
    for (oxp_id i = 0; i < oxp_value_count(m); i++) {
        const oxp_value *v = oxp_value_at(m, i);
        n += v->live && v->graph == OXP_MAIN_GRAPH && a->values[i].activation && *v->name;
    }
    s->n_activations = n;
    oxp_face *faces = OXP_NEWS(arena, (n < FACES_MOST ? n : FACES_MOST) + 1, oxp_face);
    s->faces = faces;
    for (oxp_id i = 0; i < oxp_value_count(m) && s->n_faces < FACES_MOST; i++) {
        const oxp_value *v = oxp_value_at(m, i);
        if (!v->live || v->graph != OXP_MAIN_GRAPH || !a->values[i].activation || !*v->name)
            continue;
        bool declared = v->is_input; /* inner tensors: at the sizes that the analysis assumes */
        faces[s->n_faces++] =
            (oxp_face){oxp_strdup(arena, v->name),
                       face_text(m, declared ? &a->values[i].symbolic : &a->values[i].type, arena),
                       v->is_input || v->outputs > 0};
    }
}

/* Tensors of `a` and `b` side by side. */
typedef struct faces_diff {
    const oxp_face **before, **after; /* that changed; interface first */
    size_t n, same, gone, fresh;
} faces_diff;

static faces_diff differences(const oxp_side *a, const oxp_side *b, oxp_arena *arena) {
    oxp_map *index = oxp_map_new(arena);
    faces_diff d = {.before = OXP_NEWS(arena, a->n_faces + 1, const oxp_face *),
                    .after = OXP_NEWS(arena, a->n_faces + 1, const oxp_face *)};
    size_t found = 0;
    for (size_t i = 0; i < b->n_faces; i++)
        oxp_map_put(index, oxp_hash_bytes(b->faces[i].name, strlen(b->faces[i].name)), (uint32_t)i);
    for (int inner = 0; inner < 2; inner++)
        for (size_t i = 0; i < a->n_faces; i++) {
            const oxp_face *f = &a->faces[i], *g;
            uint32_t at;
            if (f->outside == inner)
                continue;
            if (!oxp_map_get(index, oxp_hash_bytes(f->name, strlen(f->name)), &at) ||
                strcmp((g = &b->faces[at])->name, f->name) != 0) {
                d.gone++;
                continue;
            }
            found++;
            if (!strcmp(f->text, g->text)) {
                d.same++;
            } else {
                d.before[d.n] = f;
                d.after[d.n++] = g;
            }
        }
    d.fresh = b->n_faces - found;
    return d;
}

static const oxp_side *other_side(const oxp_comparison *c) {
    return c->after ? c->after : c->projected;
}

static bool all_known(const oxp_comparison *c) {
    return c->before->n_faces == c->before->n_activations &&
           other_side(c)->n_faces == other_side(c)->n_activations;
}

void oxp_doc_add_tensors(oxp_doc *d, const oxp_comparison *c) {
    static const char *const header[] = {"tensor", "before", "after"};
    if (!other_side(c))
        return;
    faces_diff f = differences(c->before, other_side(c), d->arena);
    oxp_doc_heading(d, 1, "Activations and shapes");
    oxp_doc_para(d,
                 "%s tensors before, %s after (inputs and outputs among them)%s: %zu keep type and "
                 "shape, %zu have another, %zu are gone, %zu are new.",
                 oxp_thousands(d->arena, c->before->n_activations),
                 oxp_thousands(d->arena, other_side(c)->n_activations),
                 all_known(c)
                     ? ""
                     : oxp_sprintf(d->arena, ", of which the first %d were compared", FACES_MOST),
                 f.same, f.n, f.gone, f.fresh);
    if (f.n == 0)
        return;
    oxp_doc_block(d, OXP_TABLE, 3)->header = header;
    for (size_t i = 0; i < f.n && i < LISTED; i++) {
        const char *cells[] = {f.before[i]->name, f.before[i]->text, f.after[i]->text};
        oxp_doc_row(d, cells);
    }
    if (f.n > LISTED)
        oxp_doc_para(d, "and %zu more (all of them are in --format json).", f.n - LISTED);
}

void oxp_emit_tensors(oxp_json *j, const oxp_comparison *c) {
    if (!other_side(c)) {
        oxp_json_null(j, "tensors");
        return;
    }
    faces_diff f = differences(c->before, other_side(c), c->before->arena);
    oxp_json_object(j, "tensors");
    oxp_json_uint(j, "before", c->before->n_activations);
    oxp_json_uint(j, "after", other_side(c)->n_activations);
    oxp_json_bool(j, "all_compared", all_known(c));
    oxp_json_uint(j, "same", f.same);
    oxp_json_uint(j, "gone", f.gone);
    oxp_json_uint(j, "new", f.fresh);
    oxp_json_array(j, "changed");
    for (size_t i = 0; i < f.n; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "name", f.before[i]->name);
        oxp_json_string(j, "before", f.before[i]->text);
        oxp_json_string(j, "after", f.after[i]->text);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    oxp_json_end(j);
}
