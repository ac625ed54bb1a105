/* verify_impl.h - the phases of a verification: for src/verify only. */
#ifndef OXP_VERIFY_VERIFY_IMPL_H
#define OXP_VERIFY_VERIFY_IMPL_H

#include "verify/child.h"
#include "verify/inputs.h"
#include "verify/ort.h"
#include "verify/verify.h"

typedef struct oxp_verify_job {
    oxp_arena *arena;
    const oxp_model *before, *after;
    const oxp_verify_opts *opts;
    const char *const *candidates; /* libraries to try */
    oxp_cases cases;
    oxp_limits limits;
    oxp_verification *v;
    /* folder for what the emulation and the search for damage write; NULL: not made yet */
    oxp_temporary *folder;
} oxp_verify_job;

/* Two files that are compared; names are those that messages use. */
typedef struct oxp_files {
    const char *a, *b, *name_a, *name_b;
} oxp_files;

/* numbers.c: runs both files on all inputs. */
void oxp_check_numbers(oxp_verify_job *j, const oxp_files *files, oxp_ort_level level,
                       oxp_check *check, size_t *worst_case);
/* In a child: a session, and the inputs in its order. */
oxp_session *oxp_open_session(oxp_ort *ort, const oxp_verify_job *j, const oxp_files *f,
                              oxp_ort_level level, int model, oxp_child_note *note);
oxp_array *oxp_order_inputs(const oxp_session *s, const oxp_array *in, size_t n, const oxp_files *f,
                            bool second, oxp_child_note *note, oxp_arena *arena);
/* Raises what is not AFTER's fault; else says in one line what AFTER did (NULL: it is done). */
const char *oxp_blame(oxp_verify_job *j, oxp_child_end end, const oxp_child_note *note,
                      const oxp_files *f);

/* given_sizes.c: the sizes of the given inputs as the choice to analyse and to name; raises
 * OXP_E_UNSUPPORTED where others were asked for. */
const oxp_size_choice *oxp_given_sizes(oxp_verify_job *j, const oxp_analysis *a);
/* labels.c: the class numbers of a label file, *n of them, and the line of each. */
const int32_t *oxp_labels_read(oxp_arena *arena, const char *path, const size_t **numbers,
                               size_t *n);
/* labels.c: the task's metric; fills v->task. */
void oxp_check_labels(oxp_verify_job *j, const oxp_files *f);
/* timing.c: latencies, load times and peak memory; fills v. */
void oxp_measure_times(oxp_verify_job *j, const oxp_files *f);
/* emulate.c: writes the emulated form of a model; NULL and *problem when it cannot be. */
const char *oxp_emulated_file(oxp_verify_job *j, const oxp_model *m, const char *name,
                              const char **problem);
/* Has the model tensors of this type, as far as its initializers, Casts and declarations tell? */
bool oxp_holds(const oxp_model *m, oxp_dtype t);
/* damage.c: compares inner tensors of the same name on one of the inputs. */
void oxp_find_damage(oxp_verify_job *j, const oxp_files *f, size_t at_case, oxp_check *check);
/* A folder of our own, removed with all that is in it when the verification ends. */
const char *oxp_work_folder(oxp_verify_job *j);

#endif
